"""The ranking benchmark's modules are found beside its command, as Python finds them when it runs."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path += [str(ROOT / 'benchmarks' / 'ranking'), str(ROOT / 'examples' / 'cifar10')]
