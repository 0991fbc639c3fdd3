"""Every cell, shipped or a user's own, has the same rights everywhere: in a stack, in both directions, as encoder and
decoder, trained by --cell, resumed, reloaded, and searched with a beam."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import unspool
from unspool.cells import CELLS, load_cell
from unspool.cells.state import tensors
from unspool.cli import app, spread
from unspool.decode import Limits, beam
from unspool.errors import ConfigError
from unspool.layers.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from unspool.layers.symbols import END, START

OWN_CELLS = """
import torch
import unspool


class TwoStates(unspool.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, 3))
        self.x = torch.nn.Linear(input_size, hidden_size)
        self.h = torch.nn.Linear(hidden_size, hidden_size, bias=False)
        self.slow = torch.nn.Linear(hidden_size, 3)

    def forward(self, x, state):
        h, slow = state
        h = torch.tanh(self.x(x) + self.h(h) * torch.sigmoid(slow.mean(1, keepdim=True)))
        slow = 0.9 * slow + 0.1 * self.slow(h)
        return h, (h, slow)


class FastWeights(unspool.Cell):
    '''A matrix a row, written at every step (Ba et al. 2016, https://arxiv.org/abs/1610.06258).'''

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.x = torch.nn.Linear(input_size, hidden_size)
        self.h = torch.nn.Linear(hidden_size, hidden_size, bias=False)

    def initial_state(self, batch, *, dtype=None, device=None):
        h = torch.zeros(batch, self.hidden_size, dtype=dtype, device=device)
        return h, h.new_zeros(batch, self.hidden_size, self.hidden_size)

    def forward(self, x, state):
        h, memory = state
        h = torch.tanh(self.x(x) + self.h(h) + torch.einsum("bij,bj->bi", memory, h))
        return h, (h, 0.9 * memory + 0.3 * torch.einsum("bi,bj->bij", h, h))


class TwoScales(unspool.Cell):
    '''One tensor of more than two dimensions as the whole state.'''

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.x = torch.nn.Linear(input_size, hidden_size)
        self.h = torch.nn.Linear(hidden_size, hidden_size, bias=False)

    def initial_state(self, batch, *, dtype=None, device=None):
        return torch.zeros(batch, 2, self.hidden_size, dtype=dtype, device=device)

    def forward(self, x, state):
        fast, slow = state.unbind(1)
        fast = torch.tanh(self.x(x) + self.h(fast) + slow)
        return fast, torch.stack([fast, 0.9 * slow + 0.1 * fast], 1)


class Counting(unspool.Cell):
    '''A dict, with a whole number a row.'''

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.x = torch.nn.Linear(input_size, hidden_size)
        self.h = torch.nn.Linear(hidden_size, hidden_size, bias=False)

    def initial_state(self, batch, *, dtype=None, device=None):
        h = torch.zeros(batch, self.hidden_size, dtype=dtype, device=device)
        return {"h": h, "steps": torch.zeros(batch, dtype=torch.int64, device=device)}

    def forward(self, x, state):
        steps = state["steps"] + 1
        h = torch.tanh(self.x(x) + self.h(state["h"]) / steps.unsqueeze(1))
        return h, {"h": h, "steps": steps}
"""
OWN = ("TwoStates", "FastWeights", "TwoScales", "Counting")
NAMES = [*CELLS, *OWN]
FEW = ("lstm", "indrnn", "TwoStates", "Counting")
SOME = [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in NAMES]
"""All of them; those that stand for the others are not slow."""
DOUBLE = torch.float64


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cells") / "own.py"
    path.write_text(OWN_CELLS)
    return path


@pytest.fixture
def spec(request: pytest.FixtureRequest, own_file: Path) -> str:
    return f"{own_file}:{request.param}" if request.param in OWN else request.param


@pytest.mark.parametrize("spec", NAMES, indirect=True)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_in_a_stack(spec: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    net = unspool.Recurrent(load_cell(spec), 5, 4, layers=2, bidirectional=bidirectional).double()
    x = torch.randn(3, 6, 5, dtype=torch.float64, requires_grad=True)
    y, state = net(x, lengths=[6, 2, 4])
    y.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    alone, _ = net(x[1:2, :2])
    torch.testing.assert_close(y[1:2, :2], alone)
    assert len(state) == 2 and (y[1, 2:] == 0).all()


@pytest.mark.parametrize(
    ("spec", "conditioning"),
    [
        pytest.param(name, how, marks=() if how == "attention" or name in FEW else pytest.mark.slow)
        for how in ("init", "every-step", "attention")
        for name in NAMES
    ],
    indirect=["spec"],
)
def test_as_encoder_and_decoder(spec: str, conditioning: str) -> None:
    torch.manual_seed(0)
    config = EncoderDecoderConfig(9, 11, embedding=6, hidden=5, layers=2, decoder_layers=2, conditioning=conditioning)
    model = EncoderDecoder(load_cell(spec), config).double().eval()
    source, lengths = torch.randint(3, 9, (3, 4)), torch.tensor([4, 2, 3])
    target, target_lengths = torch.randint(3, 11, (3, 5)), torch.tensor([5, 3, 4])
    features = model(source, lengths, target, target_lengths)
    model.logits(features).logsumexp(2).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    assert not without
    begun, _ = model.begin(model.encode(source, lengths))
    assert [v.dtype for v in tensors(begun)] == [v.dtype for v in tensors(model.decoder.initial_state(3, dtype=DOUBLE))]
    found = beam(model, (source, lengths), Limits(max_length=4), width=3, n_best=2)
    alone = beam(model, (source[1:2, :2], lengths[1:2]), Limits(max_length=4), width=3, n_best=2)
    assert [h.tokens for h in found[1]] == [h.tokens for h in alone[0]]
    for hypothesis in found[0]:  # each was extended from its own state
        symbols = [*hypothesis.tokens, END][: len(hypothesis.log_probs)]
        before, steps = torch.tensor([[START, *symbols[:-1]]]), torch.tensor([len(symbols)])
        scores = model.logits(model(source[:1], lengths[:1], before, steps)).log_softmax(2)[0]
        forced = scores.gather(1, torch.tensor(symbols).unsqueeze(1)).squeeze(1)
        torch.testing.assert_close(torch.tensor(hypothesis.log_probs).double(), forced, atol=1e-5, rtol=1e-5)


def cli(*arguments: object) -> None:
    """The command line in this process: what it prints is captured, what it raises is the test's."""
    app(args=spread([str(argument) for argument in arguments]), standalone_mode=False)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a word's letters backwards."""
    path = tmp_path_factory.mktemp("letters") / "words.tsv"
    words = ["".join("abcd"[(i >> shift) % 4] for shift in range(0, 2 * n, 2)) for n in (2, 3) for i in range(4**n)]
    path.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
    return path


@pytest.mark.parametrize("spec", SOME, indirect=True)
def test_trained_by_name_resumed_and_reloaded(
    spec: str, letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--tokenizer", "chars", "--hidden", 6, "--embedding", 5, "--max-tokens", 64, "--log-every", 4]
    choices = ["--train", letters, "--valid", letters, "--cell", spec, *sizes]
    cli("train", "translate", *choices, "--out", tmp_path / "straight", "--max-steps", 8)
    cli("train", "translate", *choices, "--out", tmp_path / "run", "--max-steps", 4)
    cli("train", "translate", *choices, "--out", tmp_path / "run", "--max-steps", 8, "--resume")
    weights = [tmp_path / run / "checkpoints" / "step-00000008" / "model.safetensors" for run in ("straight", "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()

    cells = [load_cell(spec)] if ":" in spec else []
    answers = unspool.load(tmp_path / "run", cells=cells).translate(["abc", "dd"], beam=3)
    capsys.readouterr()
    cli("translate", tmp_path / "run", "abc", "dd", "--beam", 3, *(["--cell", spec] if cells else []))
    assert capsys.readouterr().out.splitlines() == answers


def test_own_cell_is_inert_text(own_file: Path, letters: Path, tmp_path: Path) -> None:
    """A run folder names the cell and cannot run it: it has to be handed in, and the error prints the line to type."""
    cli(
        "train", "translate", "--train", letters, "--valid", letters, "--cell", f"{own_file}:TwoStates",
        "--out", tmp_path / "run", "--max-steps", 1, "--hidden", 4, "--embedding", 4, "--tokenizer", "chars",
    )  # fmt: skip
    assert json.loads((tmp_path / "run" / "config.json").read_text())["cell"] == "TwoStates"
    with pytest.raises(ConfigError, match=r"--cell your_file.py:TwoStates.*cells=\[TwoStates\]"):
        unspool.load(tmp_path / "run")


def test_a_wrong_cell_option_ends_the_command_before_a_run_is_written(letters: Path, tmp_path: Path) -> None:
    for option, message in (
        ("foo=1", "GRUCell has no option 'foo'; it takes 'reset', 'recurrent_init', 'chrono', 'initial_state'"),
        ("chrono=abc", r"GRUCell\(input_size, hidden_size, chrono='abc'\) failed: TypeError: '<'"),
    ):
        with pytest.raises(ConfigError, match=message):
            cli(
                "train", "translate", "--train", letters, "--valid", letters, "--out", tmp_path / "run",
                "--tokenizer", "chars", "--cell-option", option,
            )  # fmt: skip
        assert not (tmp_path / "run").exists()


def test_a_class_named_like_a_shipped_cell_is_refused_before_a_run_is_written(letters: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import unspool\nclass gru(unspool.cells.RNNCell):\n    pass\n")
    with pytest.raises(ConfigError, match="your class 'gru' has the name.*Rename the class"):
        cli(
            "train", "translate", "--train", letters, "--valid", letters, "--out", tmp_path / "run",
            "--tokenizer", "chars", "--cell", f"{tmp_path / 'own.py'}:gru",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()
