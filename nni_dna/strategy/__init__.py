"""DNA as an NNI strategy, for NasExperiment: images, trainer options and recipe come from the evaluator."""

from .strategy import DNA

__all__ = ['DNA']
