"""The peer of `ett.py`: SegRNN (Lin et al. 2023, https://arxiv.org/abs/2308.11200) in plain PyTorch, as published.

    python benchmarks/segrnn.py --data ../shared/data/ett --horizon 336 [--seed 1] [--refit [EPOCHS]]

Built from the paper's equations, with the settings that are published for 96 steps read: segments of 24, one GRU of 512
units that reads and writes, parallel decoding, half of the units dropped before the output, squared error, Adam at
0.001 and a fifth less each epoch from the fifth on, 256 windows of all seven series a step, at most 30 epochs, the
best of them by validation, until 10 have not been better. The same parts, scale and test windows as `ett.py`, none left
out. `--refit`: then trained anew, for as many epochs (or `EPOCHS`, if they are known), on training and validation part,
as in `ett.py --refit yes`; nobody publishes that. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
from ett import CONTEXT, TEST, TRAIN, VALID, columns
from torch import Tensor, nn

SERIES, SEGMENT, HIDDEN, BATCH = 7, 24, 512, 256
RATE, EPOCHS, PATIENCE = 1e-3, 30, 10


class SegRNN(nn.Module):
    """From windows `[B, 96, 7]` to forecasts `[B, h, 7]`."""

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.segments = horizon // SEGMENT
        self.read = nn.Linear(SEGMENT, HIDDEN)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.position = nn.Parameter(torch.randn(self.segments, HIDDEN // 2))
        self.series = nn.Parameter(torch.randn(SERIES, HIDDEN // 2))
        self.dropout = nn.Dropout(0.5)
        self.write = nn.Linear(HIDDEN, SEGMENT)

    def forward(self, windows: Tensor) -> Tensor:
        last = windows[:, -1:]
        segments = (windows - last).transpose(1, 2).reshape(-1, CONTEXT // SEGMENT, SEGMENT)
        _, state = self.gru(torch.relu(self.read(segments)))
        decoded = self.decoded(self.asked(), state.view(-1, SERIES, 1, HIDDEN))
        return self.write(self.dropout(decoded)).flatten(2).transpose(1, 2) + last

    def asked(self) -> Tensor:
        """What the decoder reads to write a segment of a series: `[7, K, H]`."""
        positions = self.position.expand(SERIES, -1, -1)
        return torch.cat([positions, self.series.unsqueeze(1).expand(-1, self.segments, -1)], -1)

    def decoded(self, asked: Tensor, state: Tensor) -> Tensor:
        """One step of the GRU for each segment, `[B, 7, K, H]`, all from `state` `[B, 7, 1, H]`: what is multiplied is
        the same in all segments, or in all windows, so it is multiplied once."""
        of_input, of_state, input_bias, state_bias = self.gru.parameters()
        xr, xz, xn = nn.functional.linear(asked, of_input, input_bias).chunk(3, -1)
        hr, hz, hn = nn.functional.linear(state, of_state, state_bias).chunk(3, -1)
        new = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
        return torch.lerp(new, state.expand_as(new), torch.sigmoid(xz + hz))


def check(model: SegRNN) -> None:
    """The decoder's steps are those of `nn.GRU`."""
    state = torch.randn(2, SERIES, 1, HIDDEN)
    asked = model.asked().expand(2, -1, -1, -1)
    each = state.expand_as(asked)
    expected, _ = model.gru(asked.reshape(-1, 1, HIDDEN), each.reshape(1, -1, HIDDEN))
    torch.testing.assert_close(model.decoded(model.asked(), state), expected.view_as(each))


class Part:
    """The windows of a part of the data whose first forecast begins at `begin`, and whose last ends before `end`."""

    def __init__(self, values: Tensor, begin: int, end: int, horizon: int) -> None:
        self.values, self.horizon, self.steps = values, horizon, torch.arange(-CONTEXT, horizon)
        self.origins = torch.arange(begin, end - horizon + 1)

    def batch(self, which: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.values[self.origins[which].unsqueeze(1) + self.steps]
        return rows[:, :CONTEXT], rows[:, CONTEXT:]

    @torch.no_grad()
    def errors(self, model: SegRNN) -> tuple[float, float]:
        """Mean squared and mean absolute error over all windows."""
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        for which in torch.arange(len(self.origins)).split(BATCH):
            windows, truth = self.batch(which)
            error = (model(windows) - truth).double()
            sums += torch.stack([error.square().sum(), error.abs().sum()])
        mse, mae = (sums / (len(self.origins) * self.horizon * SERIES)).tolist()
        return mse, mae


def train_epoch(model: SegRNN, part: Part, optimizer: torch.optim.Optimizer) -> None:
    model.train()
    for which in torch.randperm(len(part.origins)).split(BATCH):
        if len(which) < BATCH:
            break
        windows, truth = part.batch(which)
        optimizer.zero_grad()
        nn.functional.mse_loss(model(windows), truth).backward()
        optimizer.step()


def epoch_of(model: SegRNN, part: Part, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Train for the epoch with that number, from 1 on, at its rate."""
    optimizer.param_groups[0]["lr"] = RATE * 0.8 ** max(0, epoch - 4)
    train_epoch(model, part, optimizer)


def best_of(model: SegRNN, train: Part, valid: Part) -> tuple[float, int]:
    """Train, and leave `model` with the weights of its best epoch: its validation error, and which it was."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    least, best, weights, started = math.inf, 0, model.state_dict(), time.perf_counter()
    for epoch in range(1, EPOCHS + 1):
        epoch_of(model, train, optimizer, epoch)
        mse, _ = valid.errors(model)
        print(f"epoch {epoch}: validation {mse:.4f}, {time.perf_counter() - started:.0f} s", file=sys.stderr)
        if mse < least:
            least, best = mse, epoch
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if epoch - best >= PATIENCE:
            break
    model.load_state_dict(weights)
    return least, best


def fresh(horizon: int, seed: int) -> SegRNN:
    torch.manual_seed(seed)
    model = SegRNN(horizon)
    check(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--horizon", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--refit", type=int, nargs="?", const=0, help="train anew on all before the test part")
    chosen = parser.parse_args()
    values = torch.tensor(columns(chosen.data / "ETTh1.csv")[2], dtype=torch.float32)
    train, valid, known, test = (
        Part(values, begin, end, chosen.horizon)
        for begin, end in ((CONTEXT, TRAIN), (TRAIN, VALID), (CONTEXT, VALID), (VALID, TEST))
    )
    started, model = time.perf_counter(), fresh(chosen.horizon, chosen.seed)
    least, best = (None, chosen.refit) if chosen.refit else best_of(model, train, valid)
    if chosen.refit is not None:
        model = fresh(chosen.horizon, chosen.seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        for epoch in range(1, best + 1):
            epoch_of(model, known, optimizer, epoch)
    minutes = (time.perf_counter() - started) / 60
    mse, mae = test.errors(model)
    found = {"horizon": chosen.horizon, "minutes": round(minutes, 1), "validation": least, "epoch": best}
    print(json.dumps({**found, "mse": mse, "mae": mae}))


if __name__ == "__main__":
    main()
