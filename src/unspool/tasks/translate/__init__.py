"""Translate: an encoder–decoder from text to text."""

from unspool.tasks.translate.evaluate import evaluate
from unspool.tasks.translate.settings import TranslateSettings
from unspool.tasks.translate.train import train
from unspool.tasks.translate.translator import DecodeOptions, Translation, Translator

__all__ = ["DecodeOptions", "TranslateSettings", "Translation", "Translator", "evaluate", "train"]
