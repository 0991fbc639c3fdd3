"""A tiny job of the tests' own: predict (token + 1) % vocabulary through an embedding, with dropout. Also a script.

As a script: `toy.py RUN SETTINGS [--resume] [--interrupt-at STEP] [--file-limit BYTES]`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unspool.errors import UnspoolError
from unspool.train import Interrupted, Run, TrainSettings, fit

VOCABULARY = 17


class ToyJob:
    """`count` batches an epoch; every batch a pure function of (epoch, position)."""

    def __init__(self, *, batches: int = 6, dropout: float = 0.1, seed: int = 0, width: int = 8) -> None:
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(
            torch.nn.Embedding(VOCABULARY, width), torch.nn.Dropout(dropout), torch.nn.Linear(width, VOCABULARY)
        )
        self.number = batches
        self.seen: list[tuple[int, int]] = []
        self.hooks: dict[int, Any] = {}
        self.step = 0

    def batches(self, epoch: int, start: int) -> Iterator[Tensor]:
        for position in range(start, self.number):
            self.seen.append((epoch, position))
            generator = torch.Generator().manual_seed(1000 * epoch + position)
            yield torch.randint(0, VOCABULARY, (3 + position % 3,), generator=generator)

    def count(self, epoch: int) -> int:
        return self.number

    def loss(self, model: torch.nn.Module, batch: Tensor) -> tuple[Tensor, int]:
        self.step += 1
        loss = torch.nn.functional.cross_entropy(model(batch), (batch + 1) % VOCABULARY, reduction="sum")
        if self.step in self.hooks:
            loss = self.hooks[self.step](loss)
        return loss, len(batch)

    def validate(self, model: torch.nn.Module) -> dict[str, float]:
        assert not model.training and not torch.is_grad_enabled()
        tokens = torch.arange(VOCABULARY, device=next(model.parameters()).device)
        scores = model(tokens)
        target = (tokens + 1) % VOCABULARY
        return {
            "loss": torch.nn.functional.cross_entropy(scores, target).item(),
            "exact_match": (scores.argmax(-1) == target).double().mean().item(),
        }


def send(number: signal.Signals) -> Any:
    """A hook that sends this process a real signal in the middle of a step."""

    def hook(loss: Tensor) -> Tensor:
        os.kill(os.getpid(), number)
        return loss

    return hook


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("settings")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--file-limit", type=int, default=0)
    parser.add_argument("--interrupt-at", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    job = ToyJob(dropout=options.dropout, batches=options.batches)
    if options.interrupt_at:
        job.hooks[options.interrupt_at] = send(signal.SIGINT)
    if options.file_limit:
        limits = (options.file_limit, options.file_limit)
        job.hooks[5] = lambda loss: (resource.setrlimit(resource.RLIMIT_FSIZE, limits), loss)[1]
    try:
        run = Run.create(options.run, {"task": "toy"}, resume=options.resume)
        summary = fit(job, TrainSettings(**json.loads(options.settings)), run, resume=options.resume)
        # One write, since two processes may share the pipe.
        os.write(1, f"{json.dumps(summary.best)}\n".encode())
    except Interrupted as error:
        print(error)
        return 130
    except UnspoolError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
