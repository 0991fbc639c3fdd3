"""The condition that ends a training early because its goal is reached, such as `exact_match>=0.99`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from unspool.errors import ConfigError

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_PATTERN = re.compile(r"\s*([A-Za-z_][\w.@/-]*)\s*(>=|<=|>|<)\s*(\S+)\s*")


@dataclass(frozen=True)
class Until:
    """`metric` compared with `value`."""

    metric: str
    comparison: str
    value: float

    def reached(self, metrics: Mapping[str, float]) -> bool:
        """Whether these validation metrics satisfy the condition.

        >>> parse_until("exact_match>=0.99").reached({"exact_match": 0.995})
        True
        """
        return _COMPARE[self.comparison](pick(metrics, self.metric, "until"), self.value)

    def __str__(self) -> str:
        return f"{self.metric}{self.comparison}{self.value:g}"


def parse_until(text: str) -> Until:
    """Read `METRIC>=NUMBER` (or `<=`, `>`, `<`); anything else raises `ConfigError`."""
    match = _PATTERN.fullmatch(text)
    try:
        value = float(match[3]) if match else math.nan
    except ValueError:
        value = math.nan
    if match is None or not math.isfinite(value):
        raise ConfigError(
            f"until={text!r} cannot be read; write a validation metric, one of >= <= > <, and a number, "
            'for example until="exact_match>=0.99"'
        )
    return Until(match[1], match[2], value)


def pick(metrics: Mapping[str, float], name: str, option: str) -> float:
    """`metrics[name]`, or a `ConfigError` that lists the names which `option` could have."""
    if name not in metrics:
        raise ConfigError(
            f"{option} asks for the metric {name!r}, but validation measured "
            f"{', '.join(sorted(metrics)) or 'nothing'}; choose one of those"
        )
    return metrics[name]
