"""The toy job, as a module for tests and as a script for the tests that need a process of their own."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked import Forked

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def toy() -> Any:
    spec = importlib.util.spec_from_file_location("toy", TOY)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def start_toy() -> Callable[..., Forked]:
    """Start the script: `start_toy(run, settings, "--resume", …)`."""

    def start(run: Path, settings: dict[str, Any], *options: str, env: dict[str, str] | None = None) -> Forked:
        return Forked(run, json.dumps(settings), *options, script=TOY, env=env)

    return start


@pytest.fixture(scope="session")
def lines() -> Callable[[Any], list[dict[str, Any]]]:
    """The metrics of a run without what the clock decides."""

    def read(run: Any) -> list[dict[str, Any]]:
        wall = {"seconds", "tokens_per_second"}
        return [{key: value for key, value in line.items() if key not in wall} for line in run.metrics()]

    return read
