"""Model weights as safetensors: tied tensors once, a checksum, names and shapes checked on the way in."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from unspool.errors import RunError, ShapeError

CHECKSUM = "crc32"
"""What the metadata of a file calls the CRC-32 of the bytes of its tensors."""


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise named tensors, with the CRC-32 of their bytes in the metadata of the header."""
    data = safetensors.torch.save({name: t.detach().to("cpu").contiguous() for name, t in tensors.items()})
    header, begin = _header(data)
    text = json.dumps({"__metadata__": {CHECKSUM: _checksum(data, begin)}, **header}).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, memoryview(data)[begin:]])


def read_tensors(path: Path, remedy: str = "restore it from a copy, or train the run again") -> dict[str, Tensor]:
    """The tensors in `path`, on the CPU; a missing, truncated, altered or foreign file raises `RunError` naming it and
    the `remedy`. A file without a checksum in its metadata, as others write it, is read as it is."""
    try:
        data = path.read_bytes()
        tensors = safetensors.torch.load(data)
        header, begin = _header(data)
    except FileNotFoundError:
        raise RunError(f"{path} is missing; {remedy}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{path} is not a complete safetensors file ({error}); {remedy}") from error
    expected = header.get("__metadata__", {}).get(CHECKSUM)
    if expected is not None and expected != (found := _checksum(data, begin)):
        raise RunError(f"{path} is damaged: its CRC-32 is {found}, expected {expected}; {remedy}")
    return tensors


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and where the bytes of the tensors begin."""
    begin = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:begin]), begin


def _checksum(data: bytes, begin: int) -> str:
    return f"{zlib.crc32(memoryview(data)[begin:]):08x}"


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """The model's parameters and buffers by name (not copies). Tied tensors appear once, under their first name."""
    first: dict[tuple[object, ...], str] = {}
    unique: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        place = (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() == 0 or first.setdefault(place, name) == name:
            unique[name] = tensor
    return unique


def check_weights(model: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise `RunError` if the names of `tensors`, read from `path`, differ from the model's, and `ShapeError` (with
    both shapes) if a shape does."""
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


def load_weights(model: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy `tensors`, read from `path`, into the model, if they are its own (`check_weights`): else nothing."""
    check_weights(model, tensors, path)
    with torch.no_grad():
        for name, tensor in weights_of(model).items():
            tensor.copy_(tensors[name])


def are_whole(path: Path, model: torch.nn.Module) -> bool:
    """Whether `path` holds weights of `model`, undamaged."""
    try:
        check_weights(model, read_tensors(path), path)
    except (RunError, ShapeError):
        return False
    return True


def _names(what: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{what} {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}; "
