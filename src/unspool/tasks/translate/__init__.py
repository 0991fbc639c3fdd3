"""Translate: an encoder–decoder from text to text."""

from unspool.tasks.translate.decode_options import DecodeOptions
from unspool.tasks.translate.evaluate import evaluate
from unspool.tasks.translate.settings import TranslateSettings
from unspool.tasks.translate.train import train
from unspool.tasks.translate.translator import Source, Translation, Translator

__all__ = ["DecodeOptions", "Source", "TranslateSettings", "Translation", "Translator", "evaluate", "train"]
