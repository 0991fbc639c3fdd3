"""What a label is: a class, several, a rank or a number."""

from typing import Any

from unspool.tasks.classify.targets.base import Places, Target
from unspool.tasks.classify.targets.classes import Classes
from unspool.tasks.classify.targets.multilabel import Multilabel
from unspool.tasks.classify.targets.number import Number
from unspool.tasks.classify.targets.ordinal import Ordinal

KINDS: dict[str, type[Target]] = {kind.kind: kind for kind in (Classes, Multilabel, Ordinal, Number)}


def target_from_json(content: dict[str, Any]) -> Target:
    """The target that a run's config describes; `ValueError`, `KeyError` or `TypeError` for anything else.

    >>> target_from_json({"target": "classes", "classes": ["no", "yes"]}).size
    2
    """
    return KINDS[content["target"]].from_json(content)


__all__ = ["KINDS", "Classes", "Multilabel", "Number", "Ordinal", "Places", "Target", "target_from_json"]
