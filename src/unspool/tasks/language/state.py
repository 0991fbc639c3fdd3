"""Where a language model stands in a text: a value, to keep, to write to a file, and to go on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from safetensors import SafetensorError

from unspool.cells.state import Tree, tensors
from unspool.errors import RunError
from unspool.tasks.language.job import filled
from unspool.train.files import write_bytes

FORMAT = "1"


@dataclass(frozen=True)
class State:
    """`layers`: of each network the state of each layer after all symbols but the latest; `symbol`: that one, which is
    read next.

    `model` is a checksum of the weights that it belongs to.
    """

    layers: Tree
    symbol: int
    model: int

    def save(self, path: Path | str) -> None:
        """Write it to a safetensors file."""
        values = {str(number): value.contiguous() for number, value in enumerate(tensors(self.layers))}
        about = {"unspool_state": FORMAT, "symbol": str(self.symbol), "model": str(self.model)}
        write_bytes(Path(path), safetensors.torch.save(values, about))


def read_state(path: Path | str, like: Tree) -> State:
    """Read what `State.save` wrote; `like` is a state of the model, for its structure.

    Raises:
        RunError: the file is missing, damaged, foreign, or of a model of another shape.
    """
    path = Path(path)
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = file.metadata() or {}
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("unspool_state") != FORMAT:
            raise ValueError("it does not say that it is a state")
        symbol, model = int(about["symbol"]), int(about["model"])
    except FileNotFoundError:
        raise RunError(f"there is no file {path}; expected a state that --state-out or State.save wrote") from None
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged or no state of a language model ({error}); write it anew") from error
    return State(filled(like, values, str(path)), symbol, model)
