"""Keeps off the screen what does not concern a reader of this example. Import it before NNI, which warns while it is imported.

NNI's own log files, in ``~/nni-experiments``, have its messages all the same.
"""

import contextlib
import io
import logging
import warnings

# Lightning and tianshou bring warnings back while they are imported; leaving catch_warnings undoes that. gym says at every
# import that it is no longer maintained; NNI imports it and tianshou, for ENAS, where they are installed.
with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(ImportError):
    warnings.simplefilter('ignore')
    import pytorch_lightning  # noqa: F401
    import gym  # noqa: F401
    import tianshou  # noqa: F401

warnings.filterwarnings('ignore', module='nni|pytorch_lightning|torchmetrics')
for name in ('pytorch_lightning', 'lightning_fabric', 'lightning.pytorch', 'lightning.fabric'):
    logging.getLogger(name).setLevel(logging.ERROR)
# What NNI warns of here is a field of its own config that it fills in itself, and that pooling has no parameters to count.
for name in ('nni.nas.experiment.config', 'nni.nas.profiler'):
    logging.getLogger(name).setLevel(logging.ERROR)
