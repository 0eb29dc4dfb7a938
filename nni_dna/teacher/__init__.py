"""The teacher: its network, its weights, its stages."""

from .build import build_network, check_classifier, load_pretrained, ready_teacher
from .finding import find_stages
from .stages import StagedTeacher

__all__ = ['build_network', 'check_classifier', 'find_stages', 'load_pretrained', 'ready_teacher', 'StagedTeacher']
