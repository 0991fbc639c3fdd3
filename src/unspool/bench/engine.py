"""`unspool bench engine`: its sections, in order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from unspool.bench import builtin, custom, lengths, memory, sequence, streaming
from unspool.bench.case import Bench, Section
from unspool.bench.machine import Machine, machine
from unspool.errors import ConfigError

SECTIONS: dict[str, Callable[[Bench], Section]] = {
    "lstm": builtin.section("lstm"),
    "gru": builtin.section("gru"),
    "rnn": builtin.section("rnn"),
    "custom": custom.section("custom"),
    "further": custom.section("further"),
    "ragged": lengths.ragged,
    "long": lengths.long,
    "stream": streaming.section,
    "memory": memory.section,
    "sequence": sequence.section,
}


@dataclasses.dataclass(frozen=True)
class Report:
    """All that was measured."""

    machine: Machine
    quick: bool
    sections: list[Section]

    @property
    def right(self) -> bool:
        return all(section.right for section in self.sections)

    def document(self) -> dict[str, Any]:
        """As JSON has it; what is no finite number is null there."""
        sections = [
            {**dataclasses.asdict(section), "right": section.right, "geometric_means": section.means}
            for section in self.sections
        ]
        told = {"machine": dataclasses.asdict(self.machine), "quick": self.quick, "right": self.right}
        return _finite({**told, "sections": sections})


def measure(only: Sequence[str], *, quick: bool, compile: bool, say: Callable[[str], None]) -> Report:
    """Run the sections named in `only`, or all.

    Raises:
        ConfigError: no such section.
    """
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        raise ConfigError(f"--only {unknown[0]}: there is no such section; expected some of {', '.join(SECTIONS)}")
    say("the peak of multiply-adds")
    here = machine(0.05 if quick else 1.0)
    if here.load is not None and here.load > 0.5:
        say(f"warning: the machine is busy (load {here.load:.1f}); times say little")
    bench = Bench(quick, compile, here.peak_of_all_threads * 1e9, say)
    found: list[Section] = []
    for name in [name for name in SECTIONS if not only or name in only]:
        say(name)
        found.append(SECTIONS[name](bench))
    return Report(here, quick, found)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
