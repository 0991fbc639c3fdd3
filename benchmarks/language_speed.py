"""A training step of a language model, ours and the same of torch's own layers, in turns in one process.

    python benchmarks/language_speed.py [--hidden 512] [--batch 32] [--truncate 128] [--rounds 10]

Embedding, GRU, output, cross-entropy, backward, Adam; the state handed on and cut from its graph. The answers are
checked first: loss and every gradient of the first step. Prints one JSON line: seconds a step, best and median of the
rounds, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from unspool.cells import GRUCell
from unspool.layers.symbol_loss import symbol_cross_entropy
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.settings import LanguageSettings

SYMBOLS = 400


class TorchNetwork(nn.Module):
    """The same network of torch's layers, with the weights of `ours`."""

    def __init__(self, ours: LanguageNetwork, hidden: int) -> None:
        super().__init__()
        width = ours.embedding.embedding_dim
        self.embedding, self.output = nn.Embedding(SYMBOLS, width), nn.Linear(hidden, SYMBOLS)
        self.gru = nn.GRU(width, hidden, batch_first=True)
        for name, tensor in {"embedding": self.embedding, "output": self.output}.items():
            tensor.load_state_dict(getattr(ours, name).state_dict())
        self.gru.load_state_dict(dict(zip(NAMES.values(), cell_weights(ours), strict=True)))

    def loss(self, source: Tensor, target: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        outputs, state = self.gru(self.embedding(source), state)
        assert state is not None
        logits = self.output(outputs).flatten(0, 1)
        return nn.functional.cross_entropy(logits, target.flatten(), reduction="sum"), state.detach()


NAMES = {"x.weight": "weight_ih_l0", "x.bias": "bias_ih_l0", "h.weight": "weight_hh_l0", "h.bias": "bias_hh_l0"}
"""Of a GRU's parameters, with us and with torch."""


def cell_weights(network: LanguageNetwork) -> list[Tensor]:
    """The recurrent parameters, in the order of `NAMES`."""
    return [network.get_parameter(f"recurrent.layers.0.0.{name}") for name in NAMES]


def our_loss(network: LanguageNetwork) -> Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]:
    def loss(source: Tensor, target: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        features, after = network(source, None if state is None else (state,))
        return symbol_cross_entropy(features.flatten(0, 1), network.output, target.flatten()), after[0].detach()

    return loss


def check(ours: LanguageNetwork, torchs: TorchNetwork, batch: tuple[Tensor, Tensor]) -> None:
    """Raise unless loss and gradients agree."""
    for loss in (our_loss(ours)(*batch, None)[0], torchs.loss(*batch, None)[0]):
        (loss / batch[1].numel()).backward()
    pairs = [(ours.embedding.weight, torchs.embedding.weight), (ours.output.weight, torchs.output.weight)]
    pairs += zip(cell_weights(ours), [torchs.gru.get_parameter(name) for name in NAMES.values()], strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def stepper(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]],
    batch: tuple[Tensor, Tensor],
) -> Callable[[], float]:
    """A step of training; the seconds that it took."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    state: Tensor | None = None

    def step() -> float:
        nonlocal state
        started = time.perf_counter()
        total, state = loss(*batch, state)
        optimizer.zero_grad(set_to_none=True)
        (total / batch[1].numel()).backward()
        optimizer.step()
        return time.perf_counter() - started

    return step


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("hidden", 512), ("embedding", 128), ("batch", 32), ("truncate", 128), ("rounds", 10)):
        options.add_argument(f"--{name}", type=int, default=default)
    chosen = options.parse_args()
    torch.manual_seed(0)
    ours = LanguageNetwork(GRUCell, SYMBOLS, LanguageSettings(hidden=chosen.hidden, embedding=chosen.embedding))
    torchs = TorchNetwork(ours, chosen.hidden)
    symbols = torch.randint(0, SYMBOLS, (chosen.batch, chosen.truncate + 1))
    batch = (symbols[:, :-1].contiguous(), symbols[:, 1:].contiguous())
    check(ours, torchs, batch)
    steps = {"unspool": stepper(ours, our_loss(ours), batch), "torch": stepper(torchs, torchs.loss, batch)}
    for step in steps.values():
        step()
    seconds = {name: [] for name in steps}
    for _ in range(chosen.rounds):
        for name, step in steps.items():
            seconds[name].append(step())
    best = {name: min(taken) for name, taken in seconds.items()}
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    told = {"threads": torch.get_num_threads(), **vars(chosen)}
    ratios = {"ratio_best": best["torch"] / best["unspool"], "ratio_median": median["torch"] / median["unspool"]}
    rounded = {name: round(ratio, 2) for name, ratio in ratios.items()}
    print(json.dumps({**told, "best": best, "median": median, **rounded}))


if __name__ == "__main__":
    main()
