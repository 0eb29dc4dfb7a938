"""The report of an experiment: one HTML page with all pictures in it, and the pictures as files."""

from .writing import write_report

__all__ = ['write_report']
