"""The package as installed and as built: its version, its types, its pins."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

import unspool


def test_version_is_the_installed_one() -> None:
    assert unspool.__version__ == metadata.version("unspool")


def test_types_are_shipped() -> None:
    assert resources.files(unspool).joinpath("py.typed").is_file()


WHEELS = [
    pytest.param(["--config-setting=wheel.cmake=false"], id="not compiled"),
    pytest.param([], id="compiled", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("settings", WHEELS)
def test_wheel_holds_the_package_and_nothing_else(
    tmp_path: Path, pytestconfig: pytest.Config, settings: list[str]
) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", *settings, "--outdir", str(tmp_path)]
    subprocess.run([*build, str(pytestconfig.rootpath)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"unspool/__init__.py", "unspool/py.typed"} <= set(names)
    assert any(name.startswith("unspool/_engine.") and name.endswith(".so") for name in names) == (not settings)
    assert {name.split("/")[0] for name in names} == {"unspool", f"unspool-{unspool.__version__}.dist-info"}


def needed(
    name: NormalizedName, extras: frozenset[str], seen: set[tuple[NormalizedName, frozenset[str]]]
) -> Iterator[NormalizedName]:
    """The distributions that `name[extras]` brings with it here, itself included."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    yield name
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield from needed(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)


def test_every_dependency_is_pinned(pytestconfig: pytest.Config) -> None:
    if not Path(sys.prefix, ".ready").exists():
        pytest.skip("needs the environment that `make venv` makes: only there do the pins hold")
    text = (pytestconfig.rootpath / "constraints.txt").read_text(encoding="utf-8")
    pins = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)}
    package = canonicalize_name("unspool")
    names = set(needed(package, frozenset({"dev"}), set())) - {package}
    # A local label such as +cpu names a build of the version, not another version.
    installed = {name: metadata.version(name).split("+")[0] for name in names}
    assert installed == {name: pins.get(name) for name in names}
