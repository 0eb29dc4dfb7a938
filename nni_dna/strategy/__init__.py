"""DNA as an NNI strategy, for NasExperiment: images, trainer options and recipe come from the evaluator."""

import nni.nas.strategy  # noqa: F401  # before NNI's one-shot parts: imported after them, its strategies do not work

from .strategy import DNA

__all__ = ['DNA']
