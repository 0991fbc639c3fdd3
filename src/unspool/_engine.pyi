from collections.abc import Sequence
from typing import Any

class Program:
    def __init__(self, text: str) -> None: ...
    def run(
        self,
        args: Sequence[tuple[int, int, int]],
        *,
        B: int,
        T: int,
        tau0: int,
        tau1: int,
        lengths: int,
        reverse: bool,
        truncate: int,
        threads: int,
        fresh: bool = False,
    ) -> None: ...

def room(count: int, single: bool) -> Any: ...
def isa() -> str: ...
def fma_peak(seconds: float) -> float: ...

class Stream:
    def __init__(
        self, program: Program, args: Sequence[tuple[int, int, int]], x: int, y: int, B: int, threads: int
    ) -> None: ...
    def push(self, x: int, xb: int, xt: int, y: int, yb: int, yt: int, T: int, /) -> None: ...
