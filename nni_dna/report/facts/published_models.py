"""Published ImageNet classifiers for comparison: multiply-adds for one image of 224 pixels, parameters, top-1 accuracy.

Each as its own paper gives it, but EfficientNet-B0 as Li et al. (CVPR 2020) compare with it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['IMAGENET_CLASSES', 'PUBLISHED_MODELS', 'PublishedModel']

IMAGENET_CLASSES = 1000
"""Only networks for as many classes are comparable."""


@dataclass(frozen=True)
class PublishedModel:
    """A published classifier.

    Attributes
    ----------
    name
        As its authors call it.
    madds
        Multiply-adds for one image.
    params
        Parameters.
    accuracy
        Top-1 accuracy on ImageNet's validation images, from 0 to 1.
    source
        The paper's number on arXiv.
    """

    name: str
    madds: float
    params: float
    accuracy: float
    source: str


_TABLE = (  # multiply-adds and parameters in millions, accuracy in per cent
    ('DNA-a', 348, 4.2, 77.1, '1911.13053'),
    ('DNA-b', 394, 4.9, 77.5, '1911.13053'),
    ('DNA-c', 466, 5.3, 77.8, '1911.13053'),
    ('DNA-d', 611, 6.4, 78.4, '1911.13053'),
    ('EfficientNet-B0', 399, 5.3, 76.3, '1911.13053'),
    ('MobileNetV2', 300, 3.4, 72.0, '1801.04381'),
    ('MobileNetV3-L', 219, 5.4, 75.2, '1905.02244'),
    ('MnasNet-A1', 312, 3.9, 75.2, '1807.11626'),
    ('ProxylessNAS-GPU', 465, 7.1, 75.1, '1812.00332'),
    ('FBNet-C', 375, 5.5, 74.9, '1812.03443'),
    ('FairNAS-A', 388, 4.6, 75.3, '1907.01845'),
    ('SCARLET-A', 365, 6.7, 76.9, '1908.06022'),
    ('DARTS', 574, 4.7, 73.3, '1806.09055'),
    ('MixNet-M', 360, 5.0, 77.0, '1907.09595'),
)

PUBLISHED_MODELS = tuple(PublishedModel(name, madds * 1e6, params * 1e6, top1 / 100, source)
                         for name, madds, params, top1, source in _TABLE)
"""In no order."""
