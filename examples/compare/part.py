"""Part of an image folder, for a comparison that a CPU gets through: a source of images, as nni_dna's ``data.name`` takes it."""

from collections import Counter
from pathlib import Path

import torch
from nni_dna.data.sources import TensorImages
from torch.utils.data import Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms.v2.functional import pil_to_tensor


def first_images(root: Path, per_class: int) -> tuple[Dataset, Dataset]:
    """The first training images of each class, read once, and all test images.

    Parameters
    ----------
    root
        Holds ``train`` and ``test``, each with a folder of images per class, all of one size.
    per_class
        How many training images of each class.
    """
    train = ImageFolder(str(root / 'train'))
    taken: Counter[int] = Counter()
    chosen = []
    for number, label in enumerate(train.targets):
        taken[label] += 1
        if taken[label] <= per_class:
            chosen.append(number)
    images = torch.stack([pil_to_tensor(train[number][0]) for number in chosen])
    return TensorImages(images, [train.targets[number] for number in chosen]), ImageFolder(str(root / 'test'))
