from collections.abc import Sequence

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
    ) -> None: ...

def isa() -> str: ...
