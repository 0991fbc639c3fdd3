"""A function of the package in a process of its own, which has run nothing yet and holds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Made = TypeVar("Made")

_CODE = """
import importlib, json, sys
module, name, threads, given = json.loads(sys.argv[1])
import torch
torch.set_num_threads(threads)
print(json.dumps(getattr(importlib.import_module(module), name)(**given)))
"""


def call(function: Callable[..., Made], **given: Any) -> Made:
    """What `function` of a module returns in a new process, with as many threads; all of it as JSON."""
    told = json.dumps([function.__module__, function.__name__, torch.get_num_threads(), given])
    done = subprocess.run([sys.executable, "-P", "-c", _CODE, told], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])
