"""The distillation loss (Li et al., CVPR 2020, equation 4)."""

from __future__ import annotations

import torch

__all__ = ['distillation_loss']


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    r"""Mean squared difference of two feature maps, :math:`\frac{1}{K} \| Y - \hat{Y} \|_2^2`.

    Parameters
    ----------
    student, teacher
        (batch, channels, height, width) each; K is the number of elements.

    Returns
    -------
    torch.Tensor
        A scalar, smaller is better. NaN in, NaN out.
    """
    return torch.nn.functional.mse_loss(student, teacher)
