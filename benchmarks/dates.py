"""Written dates into ISO 8601: a run of the default job beside the rule-based dateparser, on the same held-out lines.

    python benchmarks/dates.py runs/dates [--lines 1000]

dateparser gets the same locale information: the locale where the line has a tag, none where it has none. Prints a table
on stderr and one JSON line on stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dates_rule_based import rule_based

import unspool
from unspool.tasks.translate.dates import exact_match, held_out


def compare(run: str, lines: int, beam: int) -> list[dict[str, Any]]:
    """A row for each held-out part."""
    translator = unspool.load(run)
    rows: list[dict[str, Any]] = []
    for part in held_out(seed=translator.runs[0].config["origin"]["seed"], lines=lines):
        sources = [line.source for line in part.lines]
        scores = {
            "unspool": exact_match(translator.translate(sources, beam=beam), part),
            "dateparser": exact_match(rule_based(sources), part),
            "ceiling": part.ceiling,
        }
        rows.append({"part": part.name, "tag": part.tagged, "lines": len(sources)} | scores)
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run")
    options.add_argument("--lines", type=int, default=1000)
    options.add_argument("--beam", type=int, default=5)
    chosen = options.parse_args()
    rows = compare(chosen.run, chosen.lines, chosen.beam)
    for row in ({name: name for name in rows[0]}, *rows):
        shown = (f"{100 * cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row.values())
        print("".join(f"{cell:>16}" for cell in shown), file=sys.stderr)
    print(json.dumps({"run": chosen.run, "beam": chosen.beam, "parts": rows}))


if __name__ == "__main__":
    main()
