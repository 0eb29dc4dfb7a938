"""Part of an image folder, for a comparison that a CPU gets through: a source of images, as nni_dna's ``data.name`` takes it."""

from collections import Counter
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset
from torchvision.datasets import ImageFolder


class InMemory(Dataset):
    """Images and labels, read once.

    Parameters
    ----------
    pairs
        PIL image and label of each.
    """

    def __init__(self, pairs: list[tuple[Any, int]]) -> None:
        self.pairs = pairs
        self.targets = [label for _, label in pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.pairs[index]


def first_images(root: Path, per_class: int) -> tuple[Dataset, Dataset]:
    """The first training images of each class, and all test images.

    Parameters
    ----------
    root
        Holds ``train`` and ``test``, each with a folder of images per class.
    per_class
        How many training images of each class.
    """
    train = ImageFolder(str(root / 'train'))
    taken: Counter[int] = Counter()
    pairs = []
    for number, label in enumerate(train.targets):
        taken[label] += 1
        if taken[label] <= per_class:
            pairs.append(train[number])
    return InMemory(pairs), ImageFolder(str(root / 'test'))
