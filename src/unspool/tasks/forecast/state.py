"""Where a forecaster stands in its series: a value, to keep, to write to a file, and to go on from."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from safetensors import SafetensorError

from unspool.data.given import paths_of
from unspool.data.series import Covariate, Panel
from unspool.errors import RunError
from unspool.tasks.forecast.features import frequency_of
from unspool.train.files import write_bytes

FORMAT = "2"
ROWS = ("offsets", "starts", "y", "observed")


@dataclass(frozen=True)
class ForecastState:
    """The latest rows of each series: as many as the model reads, its window and the longest lag before it, and rows
    after the last value, whose covariates the next values need.

    A forecast depends on nothing else, so one from here is one from the whole history, to the last bit; the scale of
    a window is that of its own values, so no scaler is an exception. `model` is a checksum of the weights.
    """

    panel: Panel
    model: int

    def save(self, path: Path | str) -> None:
        """Write it to a safetensors file."""
        panel = self.panel
        arrays = {name: np.asarray(getattr(panel, name)) for name in ROWS}
        arrays |= {f"covariate {c.name}": np.asarray(c.values) for c in panel.covariates}
        about = {
            "ids": list(panel.ids),
            "frequency": [panel.frequency.alias, panel.frequency.zone, list(panel.frequency.phase)],
            "covariates": [[c.name, c.role, None if c.words is None else list(c.words)] for c in panel.covariates],
            "model": self.model,
        }
        said = json.dumps(about, ensure_ascii=False)
        header = {"unspool_forecast_state": FORMAT, "about": said, "crc32": _checksum(said, arrays)}
        write_bytes(Path(path), safetensors.numpy.save(arrays, header))


def _checksum(about: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Of all that a state holds."""
    checksum = zlib.crc32(about.encode())
    for name in sorted(arrays):
        checksum = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), zlib.crc32(name.encode(), checksum))
    return str(checksum)


def read_state(path: Path | str) -> ForecastState:
    """Read what `ForecastState.save` wrote; `RunError` for a file that is missing, damaged or foreign."""
    (path,) = paths_of(path)
    if path.is_dir():
        raise RunError(f"{path} is a folder; expected the file of a state that --state-out or save wrote")
    try:
        with safetensors.safe_open(path, "np") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.get("unspool_forecast_state") != FORMAT:
            raise ValueError(f"it does not say that it is a state of format {FORMAT}")
        if header["crc32"] != _checksum(header["about"], arrays):
            raise ValueError("its content is not what was written: the checksum is another")
        about = json.loads(header["about"])
        covariates = tuple(
            Covariate(name, role, arrays[f"covariate {name}"], None if words is None else tuple(words))
            for name, role, words in about["covariates"]
        )
        frequency, rows = frequency_of(about["frequency"]), {name: arrays[name] for name in ROWS}
        panel = Panel(about["ids"], frequency=frequency, covariates=covariates, **rows)
        return ForecastState(panel, int(about["model"]))
    except FileNotFoundError:
        raise RunError(f"there is no file {path}; expected a state that --state-out or save wrote") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged or no state of a forecaster ({error}); write it anew") from error
