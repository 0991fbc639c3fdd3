"""Tag: a label for every step of a sequence, read from both sides."""

from unspool.tasks.tag.settings import TagSettings
from unspool.tasks.tag.spans import Span, spans
from unspool.tasks.tag.tagger import Tagged, Tagger
from unspool.tasks.tag.train import TagData, train

__all__ = ["Span", "TagData", "TagSettings", "Tagged", "Tagger", "spans", "train"]
