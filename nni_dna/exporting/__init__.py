"""Winners as files that need no NNI: weights, ONNX, torch.export."""

from .export import Exported, export
from .formats import FORMATS, to_bytes

__all__ = ['Exported', 'FORMATS', 'export', 'to_bytes']
