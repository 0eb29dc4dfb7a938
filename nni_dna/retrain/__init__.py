"""Training of whole networks with labels: the winners, and the teacher where no weights are given."""

from .module import accuracy, train_classifier
from .recipes import RECIPES, Recipe, quick, recipe_from

__all__ = ['accuracy', 'train_classifier', 'RECIPES', 'Recipe', 'quick', 'recipe_from']
