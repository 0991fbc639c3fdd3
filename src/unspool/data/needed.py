"""Libraries that only some forms of data need, named where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from unspool.errors import UnspoolError

NAMES = {"kaldi_native_fbank": "kaldi-native-fbank", "sklearn": "scikit-learn"}
"""Packages that are installed under another name than they are imported."""


def needed(module: str, use: str, extra: str = "classify") -> Any:
    """The module, or an error that says what it is for and that the `extra` of unspool brings it.

    Raises:
        UnspoolError: it is not installed.

    Example:
        >>> needed("pyarrow", "reading a table").int32()
        DataType(int32)
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        library = NAMES.get(package, package)
        raise UnspoolError(
            f"{use} needs the {library} library, which is not installed: pip install 'unspool[{extra}]'"
        ) from error
