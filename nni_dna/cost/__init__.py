"""Multiply-adds and parameters of networks and of every path."""

from .counter import COSTS, Cost, count
from .shapes import Shapes, border_shapes
from .tables import CostTables, cost_tables

__all__ = ['COSTS', 'Cost', 'count', 'Shapes', 'border_shapes', 'CostTables', 'cost_tables']
