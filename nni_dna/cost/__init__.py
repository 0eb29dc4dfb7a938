"""Multiply-adds and parameters of networks and of every path."""

from .counter import COSTS, Cost, count
from .tables import CostTables, cost_tables

__all__ = ['COSTS', 'Cost', 'count', 'CostTables', 'cost_tables']
