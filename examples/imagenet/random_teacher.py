"""Write an EfficientNet-B7 with random weights, to try the whole run where no pretrained one is at hand.

``python random_teacher.py data/train random.safetensors``

Its BatchNorm statistics are taken from the images: without them the feature maps of a deep random network vanish.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import efficientnet_b7
from torchvision.transforms import v2

IMAGES, PIXELS = 64, 64


@torch.no_grad()
def main(folder: str, output: str) -> None:
    torch.manual_seed(0)
    teacher = efficientnet_b7(num_classes=1000)
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    transform = v2.Compose([v2.ToImage(), v2.Resize(PIXELS), v2.CenterCrop(PIXELS), v2.ToDtype(torch.float32, scale=True),
                            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    images, _ = next(iter(DataLoader(ImageFolder(folder, transform), IMAGES, shuffle=True)))
    teacher.train()
    for module in teacher.modules():  # dropout and stochastic depth would blur the statistics
        if not list(module.children()) and not isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    teacher(images)
    save_file(teacher.state_dict(), output)


if __name__ == '__main__':
    main(*sys.argv[1:])
