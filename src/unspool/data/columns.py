"""Which column (or JSON key) of the input holds what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from unspool.errors import ConfigError, one_of

FORMS = ("auto", "text", "long", "wide", "wav")


@dataclass(frozen=True)
class Columns:
    """Form of the input, and names of its columns or JSON keys; `open_sequences` says what each form holds.

    Raises:
        ConfigError: an unknown form, an empty name, or one name for two columns.

    Example:
        >>> Columns(label="species").label
        'species'
    """

    form: Annotated[str, f"form of the input: {', '.join(FORMS)}"] = "auto"
    text: Annotated[str, "column of the text"] = "text"
    label: Annotated[str, "column of the label; for audio, a regular expression with one group for the file name"] = (
        "label"
    )
    id: Annotated[str, "column that tells which rows are one sequence"] = "id"
    time: Annotated[str, "column of the time of a row, a number or a timestamp"] = "t"
    group: Annotated[str | None, "column of the group; for audio, a regular expression with one group"] = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ConfigError(f"form is {self.form!r}; expected {one_of(FORMS)}")
        names = {"text": self.text, "label": self.label, "id": self.id, "time": self.time, "group": self.group}
        taken: dict[str, str] = {}
        for use, name in names.items():
            if name == "":
                raise ConfigError(f"the name of the {use} column is empty; expected one that the input has")
            if name is not None and name in taken:
                raise ConfigError(f"{name!r} is the {taken[name]} column and the {use} column; expected two names")
            if name is not None:
                taken[name] = use
