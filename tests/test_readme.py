"""The README's cell of one's own, as it stands there: unfolded, stacked, trained by the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import unspool
from unspool.cells import load_cell
from unspool.cli import app, spread


@pytest.fixture(scope="module")
def section(pytestconfig: pytest.Config) -> str:
    text = (pytestconfig.rootpath / "README.md").read_text()
    return text.split("## A cell of your own\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def blocks(section: str) -> list[str]:
    """The Python of that section: the file of the cell, then its uses."""
    found = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(found) == 3 and found[0].startswith("# mine.py\n")
    return found


@pytest.fixture(scope="module")
def mine(blocks: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("readme") / "mine.py"
    path.write_text(blocks[0])
    return f"{path}:Mine"


def test_its_uses_in_python(mine: str, blocks: list[str]) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 7, 8)
    names: dict[str, Any] = {"torch": torch, "unspool": unspool, "Mine": load_cell(mine), "x": x}
    exec(blocks[1], names)
    assert names["y"].shape == (3, 7, 16) and names["state"].shape == (3, 16)
    assert not names["y"][1, 3:].any() and names["y"][1, 2].equal(names["state"][1])
    y, _ = names["net"](x, lengths=[7, 3, 5])
    y.sum().backward()
    assert y.shape == (3, 7, 16) and all(p.grad.abs().sum() > 0 for p in names["net"].parameters())
    names["x_t"] = x[:1, 0]
    exec(blocks[2], names)
    assert names["y"].shape == (1, 16)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_its_uses_on_the_command_line(
    precision: str, mine: str, section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two commands, with data and sizes that are there."""
    train, translate = (
        line.split()[1:] for line in section.splitlines() if re.match("unspool (train|translate) .*mine.py:Mine", line)
    )
    for name in ("a.de", "a.en", "v.de", "v.en"):
        (tmp_path / name).write_text("ab\nba\nabb\nbaa\n")
    there = {"mine.py:Mine": mine, "runs/mine": str(tmp_path / "run")}
    there |= {name: str(tmp_path / name) for name in ("a.de", "a.en", "v.de", "v.en")}
    sizes = ["--tokenizer", "chars", "--hidden", "8", "--embedding", "8", "--max-steps", "3", "--precision", precision]
    app(args=spread([there.get(word, word) for word in train] + sizes), standalone_mode=False)
    assert '"steps": 3' in capsys.readouterr().out
    run, cell = tmp_path / "run", translate[translate.index("--cell") :]
    app(args=["translate", str(run), "ab", *(there.get(word, word) for word in cell)], standalone_mode=False)
    assert capsys.readouterr().out.count("\n") == 1
    assert len(unspool.load(run, cells=[load_cell(mine)]).translate(["ab"])) == 1


def test_a_batch_without_lengths_can_be_mapped() -> None:
    """As the limits say: `torch.vmap` works without `lengths`, whose values the loop has to see."""
    torch.manual_seed(0)
    cell, x = unspool.cells.GRUCell(3, 4), torch.randn(5, 2, 6, 3)
    y, state = torch.vmap(lambda own: unspool.unfold(cell, own))(x)
    for own, out, last in zip(x, y, state, strict=True):
        expected = unspool.unfold(cell, own)
        torch.testing.assert_close((out, last), expected)
    with pytest.raises(RuntimeError, match="vmap"):
        torch.vmap(lambda own, ends: unspool.unfold(cell, own, lengths=ends))(x, torch.full((5, 2), 3))
