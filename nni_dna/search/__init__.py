"""The exact search for the best architectures under limits. NumPy only."""

from nni_dna.search.exact import search
from nni_dna.search.pareto import pareto_front
from nni_dna.search.result import ParetoFront, SearchResult, Solution
from nni_dna.search.size import SearchSizeError
from nni_dna.search.tables import BlockTable

__all__ = ['BlockTable', 'ParetoFront', 'SearchResult', 'SearchSizeError', 'Solution', 'pareto_front', 'search']
