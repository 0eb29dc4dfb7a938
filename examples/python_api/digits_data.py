"""scikit-learn's handwritten digits as small colour images.

The class lives in a module of its own, not in ``search.py``: NNI sends the evaluator to its trials as text that names every
class by its import path, and ``search.py`` is called ``__main__`` while it runs.
"""

import nni
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import Dataset

NUM_CLASSES = 10
IMAGE_SIZE = 32


@nni.trace
class Digits(Dataset):
    """The 1,797 digits of 8x8 pixels, enlarged to 32x32x3 and normalised. They come with scikit-learn: no download.

    Parameters
    ----------
    train
        The training images (two thirds), or else the validation images (the other third).
    seed
        Decides which images are in which part. Every class has the same share of both.
    count
        How many images of the part to take; None for all.
    """

    def __init__(self, train: bool, seed: int = 0, count: int | None = None) -> None:
        pixels, labels = load_digits(return_X_y=True)
        parts = train_test_split(np.arange(len(labels)), test_size=1 / 3, stratify=labels, random_state=seed)
        train_images = torch.tensor(pixels[parts[0]], dtype=torch.float32)
        part = (parts[0] if train else parts[1])[:count]
        images = torch.tensor(pixels[part], dtype=torch.float32).reshape(-1, 1, 8, 8)
        # Both parts are normalised by the training images, as the validation images count as unseen.
        images = (images - train_images.mean()) / train_images.std()
        images = torch.nn.functional.interpolate(images, size=IMAGE_SIZE, mode='bilinear')
        self.images = images.expand(-1, 3, -1, -1)
        self.labels = torch.tensor(labels[part])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images[index], self.labels[index]
