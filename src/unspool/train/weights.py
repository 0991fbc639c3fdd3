"""Model weights as safetensors: tied tensors once, names and shapes checked on the way in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from unspool.errors import RunError, ShapeError


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise named tensors."""
    return safetensors.torch.save({name: t.detach().to("cpu").contiguous() for name, t in tensors.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in `path`, on the CPU; a missing, truncated or foreign file raises `RunError` naming it."""
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path} is missing; restore it from a copy, or train the run again") from None
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise RunError(
            f"{path} is not a complete safetensors file ({error}); restore it from a copy, or train the run again"
        ) from error


def is_whole(path: Path) -> bool:
    """Whether there are tensors in `path` that can be read."""
    try:
        read_tensors(path)
    except RunError:
        return False
    return True


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """The model's parameters and buffers by name (not copies). Tied tensors appear once, under their first name."""
    first: dict[tuple[object, ...], str] = {}
    unique: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        place = (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() == 0 or first.setdefault(place, name) == name:
            unique[name] = tensor
    return unique


def load_weights(model: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy `tensors`, read from `path`, into the model.

    Raises `RunError` if the names differ from the model's and `ShapeError` (with both shapes) if a shape does:
    nothing is copied then.
    """
    expected = weights_of(model)
    missing, foreign = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or foreign:
        raise RunError(
            f"{path} does not belong to this model: {_names('it lacks', missing)}"
            f"{_names('it has the unknown', foreign)}"
            "the run's config.json and its weights must come from the same training"
        )
    for name, tensor in expected.items():
        if tensor.shape != tensors[name].shape:
            raise ShapeError(
                f"{path}: {name} has shape {list(tensors[name].shape)}, but config.json makes a model where it has "
                f"{list(tensor.shape)}; the config and the weights must come from the same training"
            )
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(tensors[name])


def _names(what: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{what} {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}; "
