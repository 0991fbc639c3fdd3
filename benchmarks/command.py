"""What the benchmarks share: a command of unspool, run as a user runs it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def unspool(*arguments: object) -> dict[str, Any]:
    """Run `unspool` with these arguments; the JSON line that it prints."""
    done = subprocess.run([sys.executable, "-m", "unspool", *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def options(description: str, **defaults: str) -> tuple[argparse.Namespace, list[str]]:
    """`--data`, `--out`, those that have defaults, and whatever else is handed on to the training."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_known_args()
