"""Which column of a table of series holds what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from unspool.data.series.stamps import checked_zone
from unspool.errors import ConfigError, one_of

FORMS = ("long", "wide")


@dataclass(frozen=True)
class SeriesColumns:
    """Form of the table, and names of its columns.

    Long: a row for each step, with its series, its stamp, its value and its covariates; a table without a column of
    series is one series. Wide: a row for each stamp, and a column for each series.

    Raises:
        ConfigError: an unknown form or time zone, an empty name, one name for two columns, a category that is no
            covariate, or covariates of the wide form.

    Example:
        >>> columns = SeriesColumns(unique_id="shop", known=("holiday", "price"), categories=("holiday",))
        >>> dict(columns.covariates())
        {'holiday': 'known', 'price': 'known'}
    """

    form: Annotated[str, f"form of the table: {', '.join(FORMS)}"] = "long"
    unique_id: Annotated[str, "column that tells which rows are one series"] = "unique_id"
    ds: Annotated[str, "column of the stamp of a row: a date and time, or a whole number"] = "ds"
    y: Annotated[str, "column of the value"] = "y"
    static: Annotated[tuple[str, ...], "columns with one value a series"] = ()
    past: Annotated[tuple[str, ...], "columns that are unknown after the last value"] = ()
    known: Annotated[tuple[str, ...], "columns that are known in advance"] = ()
    categories: Annotated[tuple[str, ...], "of these, columns of numbers that are names"] = ()
    zone: Annotated[str | None, "time zone of stamps with offsets from UTC, such as Europe/Berlin; UTC else"] = None

    def __post_init__(self) -> None:
        for use in ("static", "past", "known", "categories"):
            object.__setattr__(self, use, _several(getattr(self, use), use))
        if self.form not in FORMS:
            raise ConfigError(f"form is {self.form!r}; expected {one_of(FORMS)}")
        if self.zone is not None:
            checked_zone(self.zone)
        taken: dict[str, str] = {}
        for use, name in (("series", self.unique_id), ("stamp", self.ds), ("value", self.y), *self._used()):
            if not name:
                raise ConfigError(f"the name of a {use} column is empty; expected one that the table has")
            if name in taken:
                raise ConfigError(f"{name!r} is named as {taken[name]} and as {use} column; expected one use a column")
            taken[name] = use
        self._check_covariates()

    def covariates(self) -> Iterator[tuple[str, str]]:
        """Name and role of each covariate: static, then past, then known."""
        return ((name, role) for role, name in self._used())

    def _used(self) -> Iterator[tuple[str, str]]:
        for role, names in (("static", self.static), ("past", self.past), ("known", self.known)):
            yield from ((role, name) for name in names)

    def _check_covariates(self) -> None:
        names = [name for name, _ in self.covariates()]
        other = next((name for name in self.categories if name not in names), None)
        if other is not None:
            raise ConfigError(
                f"{other!r} is among the categories, but no covariate; those are {names}: "
                "name it with static, past or known too"
            )
        if names and self.form == "wide":
            raise ConfigError(f"the wide form has no covariates, but {names} are named; give the table in long form")


def _several(names: object, use: str) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ConfigError(f"{use} is {names!r}; expected a list of names of columns, such as ({names!r},)")
    return tuple(map(str, names))
