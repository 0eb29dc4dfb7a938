"""The teacher: its network, its weights, its stages."""

from .build import build_network, check_classifier, load_pretrained, ready_teacher
from .stages import StagedTeacher

__all__ = ['build_network', 'check_classifier', 'load_pretrained', 'ready_teacher', 'StagedTeacher']
