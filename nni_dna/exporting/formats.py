"""A network as the bytes of a file, each format checked by reading the bytes again."""

from __future__ import annotations

import inspect
import io
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any, Callable, Mapping

import torch
from torch import nn

from ..errors import ExportError
from .agreement import largest_difference

__all__ = ['FORMATS', 'ONNX_OPSET', 'to_bytes']

ONNX_OPSET = 17
"""Of ONNX files: what every PyTorch from 2.1 on writes, and ONNX Runtime from 1.12 on reads."""

_INPUT, _OUTPUT = 'images', 'logits'

Shape = tuple[int, int, int]


def to_bytes(network: nn.Module, format: str, image_shape: Shape, metadata: Mapping[str, Any]) -> tuple[bytes, float]:
    """What a file of a network holds.

    Parameters
    ----------
    network
        In evaluation mode, on the CPU; maps images (batch, channels, height, width) to one tensor.
    format
        One of ``FORMATS``.
    image_shape
        (channels, height, width).
    metadata
        JSON-able; written into the file where its format holds texts (``onnx``, ``safetensors``: as one text of JSON under
        ``nni_dna``).

    Returns
    -------
    tuple
        The bytes, and the largest difference between what they give and what the network gives (0 for weights, which are
        equal).

    Raises
    ------
    ExportError
        If the network cannot be written so, a package is missing, or the difference is too large.
    """
    if format not in FORMATS:
        raise ExportError(f'format: expected one of {", ".join(FORMATS)}, got {format!r}')
    return FORMATS[format](network, image_shape, json.dumps(metadata))


def _safetensors(network: nn.Module, image_shape: Shape, metadata: str) -> tuple[bytes, float]:
    from safetensors.torch import load, save
    content = save(_weights(network), {'nni_dna': metadata})
    _check_weights(network, load(content))
    return content, 0.0


def _pt(network: nn.Module, image_shape: Shape, metadata: str) -> tuple[bytes, float]:
    """A state_dict: tensors only, so it is read with ``torch.load(..., weights_only=True)``."""
    buffer = io.BytesIO()
    torch.save(_weights(network), buffer)
    content = buffer.getvalue()
    _check_weights(network, torch.load(io.BytesIO(content), map_location='cpu', weights_only=True))
    return content, 0.0


def _weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}


def _check_weights(network: nn.Module, read: Mapping[str, torch.Tensor]) -> None:
    own = network.state_dict()
    if own.keys() != read.keys() or not all(torch.equal(own[name].cpu(), read[name]) for name in own):
        raise ExportError('the weights that were written are not those of the network; please report this as a bug')


def _onnx(network: nn.Module, image_shape: Shape, metadata: str) -> tuple[bytes, float]:
    """By PyTorch's TorchScript exporter: the one that is the same from 2.1 on, and needs no onnxscript."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ExportError(f"format onnx: expected onnx and onnxruntime to be installed, got {error}; run pip install "
                          "'nni_dna[onnx]'") from error
    options: dict[str, Any] = {'dynamo': False} if 'dynamo' in inspect.signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter('ignore', DeprecationWarning)
        file = Path(folder) / 'network.onnx'
        _write('onnx', lambda: torch.onnx.export(
            network, (torch.zeros(2, *image_shape),), str(file), opset_version=ONNX_OPSET, input_names=[_INPUT],
            output_names=[_OUTPUT], dynamic_axes={_INPUT: {0: 'batch'}, _OUTPUT: {0: 'batch'}}, **options))
        model = onnx.load(file)
    onnx.helper.set_model_props(model, {'nni_dna': metadata})
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    return content, largest_difference(
        network, lambda images: torch.from_numpy(session.run([_OUTPUT], {_INPUT: images.numpy()})[0]), image_shape)


def _program(network: nn.Module, image_shape: Shape, metadata: str) -> tuple[bytes, float]:
    """By torch.export: read with ``torch.export.load(file).module()``."""
    if not hasattr(torch.export, 'Dim'):
        raise ExportError(f'format torch-export: expected PyTorch 2.5 or later, got {torch.__version__}; use onnx')
    buffer = io.BytesIO()
    shapes = ({0: torch.export.Dim('batch')},)
    _write('torch-export', lambda: torch.export.save(
        torch.export.export(network, (torch.zeros(2, *image_shape),), dynamic_shapes=shapes), buffer,
        extra_files={'nni_dna': metadata}))
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', '.*buffer is not writable.*')  # the weights are only read
        written = torch.export.load(buffer).module()
    return buffer.getvalue(), largest_difference(network, written, image_shape)


def _write(format: str, write: Callable[[], Any]) -> None:
    try:
        write()
    except Exception as error:  # the exporters raise errors of many kinds
        raise ExportError(f'format {format}: PyTorch cannot export this network: {type(error).__name__}: {error}; use another '
                          'format, or operations that it can') from error


FORMATS: dict[str, Callable[[nn.Module, Shape, str], tuple[bytes, float]]] = {
    'safetensors': _safetensors, 'pt': _pt, 'onnx': _onnx, 'torch-export': _program}
"""Weights (``safetensors``, ``pt``), or the whole network for any batch size (``onnx``, ``torch-export``)."""
