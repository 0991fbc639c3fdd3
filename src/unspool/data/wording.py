"""Words of messages: numbers of things."""

from __future__ import annotations


def counted(count: int, one: str, several: str | None = None) -> str:
    """So many things.

    Example:
        >>> counted(1, "sequence"), counted(0, "sequence"), counted(2, "class", "classes")
        ('1 sequence', '0 sequences', '2 classes')
    """
    return f"{count} {one if count == 1 else several or f'{one}s'}"
