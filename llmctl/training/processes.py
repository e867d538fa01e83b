"""One process or many: who owns which rows, sums over all, and agreeing on when to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator

from llmctl.errors import LlmctlError, UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The group this process works in. With one process every method is trivial."""

    accelerator: Accelerator

    @property
    def rank(self) -> int:
        return self.accelerator.process_index

    @property
    def count(self) -> int:
        return self.accelerator.num_processes

    @property
    def is_main(self) -> bool:
        return self.accelerator.is_main_process

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    def own_rows(self, rows_per_step: int) -> range:
        """This process' contiguous share of a step's rows.

        Raises:
            UsageError: there are fewer rows than processes.
        """
        if rows_per_step < self.count:
            raise UsageError(
                f"a step of {rows_per_step} rows cannot be shared by {self.count} processes",
                hint=f"batch.rows={self.count}",
            )
        return range(
            self.rank * rows_per_step // self.count, (self.rank + 1) * rows_per_step // self.count
        )

    def sum(self, *values: float) -> list[float]:
        """Sums over all processes, in float64."""
        if self.count == 1:
            return list(values)
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        tensor = torch.tensor(values, dtype=kind, device=self.device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def sum_on_device(self, values: Sequence[float]) -> torch.Tensor:
        """Sums over all processes that nobody waits for: float32 [K] on the device.

        Exact for whole numbers below 2^24.
        """
        total = torch.tensor(values, dtype=torch.float32).to(self.device, non_blocking=True)
        if self.count > 1:
            dist.all_reduce(total)
        return total

    def from_main(self, value: Any) -> Any:
        """The main process' value, on every process."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def gather(self, own: list[T]) -> list[T]:
        """The lists of all processes, one after another, on every process."""
        if self.count == 1:
            return own
        parts: list[list[T]] = [[] for _ in range(self.count)]
        dist.all_gather_object(parts, own)
        return [value for part in parts for value in part]

    def wait(self) -> None:
        self.accelerator.wait_for_everyone()

    def leave(self) -> None:
        """Finish trackers and leave the group."""
        self.accelerator.end_training()

    def rest(self) -> None:
        """Finish trackers and stay in the group, for another run: a group that is left and joined
        again may meet its own remains."""
        for tracker in self.accelerator.trackers:
            tracker.finish()
        self.wait()

    def on_main(self, work: Callable[[], T]) -> T | None:
        """Do something on the main process while the others wait; an error of its is everyone's.

        Gives the result on the main process, none on the others.
        """
        result: T | None = None
        failure: LlmctlError | None = None
        if self.is_main:
            try:
                result = work()
            except LlmctlError as error:
                failure = error
            except Exception as error:  # a bug: the others must not wait for ever
                self.from_main(LlmctlError(f"the main process has failed: {error!r}"))
                raise
        failure = self.from_main(failure)
        if failure is not None:
            raise failure
        return result


def join_processes(*, cpu: bool, trackers: Sequence[str], folder: str) -> Processes:
    """Join the group that a launcher started, or stand alone.

    Raises:
        UsageError: the group is not the one the launcher announced.
    """
    import os
    from datetime import timedelta

    from accelerate.utils import InitProcessGroupKwargs

    announced = int(os.environ.get("WORLD_SIZE", "1"))
    accelerator = Accelerator(
        cpu=cpu,
        mixed_precision="no",  # precision is ours: accelerate's wrapper copies outputs to float32
        log_with=list(trackers) or None,
        project_dir=folder,
        # Long, since the others wait while the main process prepares data.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=6))],
    )
    if accelerator.num_processes != announced:
        raise UsageError(
            f"{announced} processes were started, but the group has {accelerator.num_processes}",
            hint="llmctl pretrain ... --num-processes N starts and joins them itself",
        )
    return Processes(accelerator)
