"""The exact search for the best architectures under limits. NumPy only."""

from nni_dna.search.exact import search
from nni_dna.search.result import SearchResult, Solution
from nni_dna.search.tables import BlockTable

__all__ = ['BlockTable', 'SearchResult', 'Solution', 'search']
