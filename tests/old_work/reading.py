"""What a remembered work folder is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nni_dna
from nni_dna.show import show

SETTINGS = {'distill': {'tasks': 2, 'epochs': 2, 'rate_every': 1}, 'search': {'top_k': 2, 'max_latency_ms': 1e6},
            'retrain': {'over_training': True}}
"""Of the toy experiment: so that there are loads, latencies and tables of an epoch."""


def answers(work: Path) -> dict[str, Any]:
    """What the commands that need no torch say of it, as JSON gives it back."""
    return json.loads(json.dumps({
        'show': show(work, now=0).splitlines()[1:],
        'search': nni_dna.search_again(work),
        'search under limits': nni_dna.search_again(work, top_k=3, max_params=800, weights=[1, 2]),
        'front': nni_dna.pareto_front(work, 'madds')}))
