"""Parameters, multiply-adds, peak activation memory and latency of networks and of every path."""

from .counter import COSTS, Cost, count
from .further import FurtherCosts, latency_costs, memory_costs
from .shapes import Shapes, border_shapes
from .tables import CostTables, cost_tables

__all__ = ['COSTS', 'Cost', 'count', 'Shapes', 'border_shapes', 'CostTables', 'cost_tables', 'FurtherCosts',
           'latency_costs', 'memory_costs']
