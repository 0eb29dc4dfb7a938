"""Training of whole networks with labels: the winners, and the teacher where no weights are given."""

from .augmenting import training_batches
from .dropping import check_dropping
from .module import accuracies, accuracy, train_classifier
from .ranks import process_count
from .recipes import RECIPES, Recipe, quick, recipe_from

__all__ = ['accuracies', 'accuracy', 'check_dropping', 'process_count', 'train_classifier', 'training_batches', 'RECIPES',
           'Recipe', 'quick', 'recipe_from']
