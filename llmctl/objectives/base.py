"""The protocol of a pretraining objective.

Shape letters: `B` rows, `W` tokens read a row (the window), `L` block length, `V` vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from llmctl.section import Section

if TYPE_CHECKING:
    import torch

Int64Array = NDArray[np.int64]
IGNORED_LABEL = -100
"""A label that is no target: it adds nothing to the loss and nothing to the count."""


@dataclass(frozen=True)
class Batch:
    """What one forward pass reads, and how many target tokens it is asked about."""

    arrays: dict[str, NDArray[Any]]
    num_targets: int


class Objective(Section):
    """An objective's fields are its recipe settings; its methods are what the loop calls.

    A new objective is a file with a subclass, a word in `OBJECTIVES` and in the recipe's union,
    and a test.
    """

    architecture: ClassVar[Literal["encoder", "decoder", "encoder-decoder"]]

    def window(self, block_length: int) -> tuple[int, int]:
        """How many tokens a row reads, and how far apart rows start, to give `block_length`."""
        raise NotImplementedError

    def make_batch(
        self, tokens: NDArray[Any], lengths: Int64Array, rows: Int64Array, seed: int
    ) -> Batch:
        """Turn token rows into a batch: a pure function of its arguments.

        Args:
            tokens: [B, W] token ids; a row shorter than W is padded at its end.
            lengths: [B] real tokens of each row.
            rows: [B] the global number of each row, which keys all randomness with `seed`.
        """
        raise NotImplementedError

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The sum (not the mean) of the loss over all targets of a batch, a float32 scalar.

        The loop divides once, by the targets of all micro-batches and processes of the step.
        """
        raise NotImplementedError
