"""Which device and which of how many processes this is, and what the processes tell each other, through accelerate.

Gradients are summed here after the backward pass instead of by `DistributedDataParallel`, since a task's loss may
call any method of the model, and since the last step of an epoch may leave a process without a batch.
"""

from __future__ import annotations

import atexit
import os
from typing import Any

import torch
from torch import Tensor

from unspool.errors import ConfigError


def processes() -> int:
    """As one of how many torchrun or accelerate launch started this process; known without asking the others."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launched_in_parallel() -> bool:
    """Whether torchrun or accelerate launch started this process as one of several."""
    return processes() > 1


def check_alone(world: int) -> None:
    """Raise `ConfigError` if `world` processes would share the batches of a job that carries a state between them."""
    if world > 1:
        raise ConfigError(
            f"this training carries a state from each batch to the next, but {world} processes would share its "
            "batches; start it as one process, without torchrun or accelerate launch"
        )


def is_main() -> bool:
    """Whether this process writes and speaks for all of them; known without asking the others."""
    return not launched_in_parallel() or os.environ.get("RANK", "0") == "0"


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class Placement:
    """This process: `rank` of `world`, on `device`. Every method that communicates must be called by all."""

    def __init__(self) -> None:
        from accelerate import Accelerator

        # Without being told, accelerate lets processes that share a machine with no accelerator each train alone.
        cpu = launched_in_parallel() and not torch.accelerator.is_available()
        self.accelerator = Accelerator(mixed_precision="no", cpu=cpu)
        self.device: torch.device = self.accelerator.device
        self.rank: int = self.accelerator.process_index
        self.world: int = self.accelerator.num_processes
        self.main: bool = self.accelerator.is_main_process
        if self.world > 1:
            # A process that ends while its group still runs threads may be killed by them at the last moment.
            atexit.register(_leave_group)

    def sum(self, values: list[float]) -> list[float]:
        """Element-wise sums over the processes."""
        if self.world == 1:
            return values
        total = self.accelerator.reduce(torch.tensor(values, dtype=torch.float64, device=self.device), "sum")
        assert isinstance(total, Tensor)
        return total.tolist()

    def sum_gradients(self, parameters: list[torch.nn.Parameter]) -> None:
        """Sum the gradients over the processes; a parameter that no process used keeps None."""
        if self.world == 1:
            return
        for dtype in {p.dtype for p in parameters}:
            self._sum_gradients([p for p in parameters if p.dtype == dtype])

    def _sum_gradients(self, parameters: list[torch.nn.Parameter]) -> None:
        used = torch.tensor([p.grad is not None for p in parameters], dtype=parameters[0].dtype, device=self.device)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([used, *(gradient.flatten() for gradient in gradients)])
        total = self.accelerator.reduce(flat, "sum")
        assert isinstance(total, Tensor)
        counts, *sums = total.split([len(parameters), *(p.numel() for p in parameters)])
        for parameter, count, gradient in zip(parameters, counts.tolist(), sums, strict=True):
            parameter.grad = gradient.view_as(parameter) if count else None

    def same_weights(self, model: torch.nn.Module) -> None:
        """Give every process the main process's parameters and buffers."""
        if self.world > 1:
            for tensor in model.state_dict().values():
                torch.distributed.broadcast(tensor, 0)

    def gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """`{"p.name": tensor}` for every process `p` and name; tensors of a name share a shape."""
        if self.world == 1:
            return {f"0.{name}": tensor for name, tensor in tensors.items()}
        gathered: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            rows = self.accelerator.gather(tensor[None].to(self.device))
            assert isinstance(rows, Tensor)
            gathered |= {f"{rank}.{name}": row.cpu() for rank, row in enumerate(rows)}
        return gathered

    def from_main(self, value: Any) -> Any:
        """The main process's `value`, on every process."""
        if self.world == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value], from_process=0)[0]

    def wait(self) -> None:
        """Return when every process has come here."""
        self.accelerator.wait_for_everyone()
