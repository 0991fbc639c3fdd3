"""Language: the next symbol of a text, from all that came before it."""

from unspool.tasks.language.complete import CompleteOptions, Completion
from unspool.tasks.language.language_model import LanguageModel
from unspool.tasks.language.score import Score
from unspool.tasks.language.settings import LanguageSettings
from unspool.tasks.language.state import State
from unspool.tasks.language.train import LanguageData, train

__all__ = [
    "CompleteOptions",
    "Completion",
    "LanguageData",
    "LanguageModel",
    "LanguageSettings",
    "Score",
    "State",
    "train",
]
