"""What is known beside the values of series: static, past and known covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unspool.errors import ConfigError, ShapeError, one_of

ROLES = ("static", "past", "known")


@dataclass(frozen=True, eq=False)
class Covariate:
    """One column beside the values.

    Attributes:
        name: of the column.
        role: `"static"`: one value a series. `"past"`: one value a row, unknown after the last observed value.
            `"known"`: one value a row, known in advance.
        values: `[N]` for static, else `[rows]`; float32 with NaN for none, or int32 codes with -1 for none.
        words: the text of each code, for categories; None for numbers.

    Raises:
        ConfigError: the role is none of these.
        ShapeError: the values are not one-dimensional, or of another type.

    Example:
        >>> shops = Covariate("town", "static", np.array([0, 1, 0], dtype=np.int32), ("Bath", "York"))
        >>> shops.categorical, shops.take(np.array([1])).values.tolist()
        (True, [1])
    """

    name: str
    role: str
    values: np.ndarray
    words: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"covariate {self.name!r} has role {self.role!r}; expected {one_of(ROLES)}")
        dtype = np.dtype(np.float32 if self.words is None else np.int32)
        if self.values.ndim != 1 or self.values.dtype != dtype:
            raise ShapeError(
                f"the values of covariate {self.name!r} are {self.values.dtype} of shape {self.values.shape}; expected "
                f"{dtype}, one value each"
            )

    @property
    def categorical(self) -> bool:
        """Whether the values are codes of words."""
        return self.words is not None

    @property
    def missing(self) -> float | int:
        """What stands for no value."""
        return np.nan if self.words is None else -1

    def lacking(self, values: np.ndarray) -> np.ndarray:
        """Which of `values`, that are like those of the covariate, stand for none."""
        return np.isnan(values) if self.words is None else values < 0

    def take(self, which: np.ndarray) -> Covariate:
        """The values of these numbers."""
        return Covariate(self.name, self.role, self.values[which], self.words)
