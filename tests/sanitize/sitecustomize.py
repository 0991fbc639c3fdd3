"""Python imports this as it starts, from a folder on PYTHONPATH: `unspool._engine` is then an `_engine` found there.

Only `run.py` beside this file puts the folder there, with a folder that holds an instrumented build.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from types import ModuleType


class Instrumented:
    """Finds the extension on the path, before the finder of the editable install does."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        found = PathFinder.find_spec("_engine") if name == "unspool._engine" else None
        return spec_from_file_location(name, found.origin) if found and found.origin else None


sys.meta_path.insert(0, Instrumented)
