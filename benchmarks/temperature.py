"""How many sequences a temperature takes: fitted to few of them, and tried on many.

Outputs are drawn from a normal distribution, targets from the probabilities at the true temperature. Prints, for each
number of sequences, where 95 of 100 fitted temperatures lie, and by how much the log-loss of 20,000 further sequences
is above the least possible, in nats, in the mean: with them, and with the temperature 1.

    python benchmarks/temperature.py
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unspool.tasks.classify.calibrate import fit_temperature
from unspool.tasks.classify.targets import Classes

CASES = ((2, 3.0, 1.0), (10, 4.0, 1.0), (2, 8.0, 1.0), (2, 3.0, 2.0), (10, 4.0, 2.0), (2, 8.0, 4.0))
"""Classes, standard deviation of the outputs, true temperature."""
SIZES = (1, 2, 5, 10, 20, 30, 50, 100, 200)
DRAWS = 100


def drawn(count: int, classes: int, deviation: float, temperature: float) -> tuple[Tensor, Tensor]:
    outputs = deviation * torch.randn(count, classes)
    return outputs, torch.multinomial(torch.softmax(outputs / temperature, 1), 1).squeeze(1)


def main() -> None:
    torch.manual_seed(0)
    print("| classes | deviation | true | sequences | fitted | loss | loss at 1 |\n|---|---|---|---|---|---|---|")
    for case in CASES:
        target = Classes([str(i) for i in range(case[0])])
        outputs, targets = drawn(20_000, *case)

        def loss(temperature: float, target: Classes = target, outputs: Tensor = outputs, y: Tensor = targets) -> float:
            return target.log_loss(target.predictions(outputs, temperature), y)

        for size in SIZES:
            fitted = [fit_temperature(target, *drawn(size, *case)) for _ in range(DRAWS)]
            low, high = np.quantile(fitted, [0.025, 0.975])
            above = np.mean([loss(temperature) for temperature in fitted]) - loss(case[2])
            one = loss(1.0) - loss(case[2])
            print(f"| {' | '.join(map(str, case))} | {size} | {low:.2f} to {high:.2f} | {above:.3f} | {one:.3f} |")


if __name__ == "__main__":
    main()
