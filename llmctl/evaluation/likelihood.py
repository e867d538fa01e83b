"""How probable a causal model finds text: log-likelihoods summed over windows, every token once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from llmctl.evaluation.sequences import TokenSequence
from llmctl.evaluation.windows import Window

_LOGITS_AT_ONCE = 1 << 24
"""Logits held in float32 at a time (64 MiB), however long the batch and large the vocabulary."""
_FIRST_POSITIONS = 64


@dataclass(frozen=True)
class ScoringModel:
    """A model in two parts, so that logits exist only where they are needed and a few at a time.

    Args:
        body: ids [B, L] to hidden states [B, L, D].
        head: hidden states [N, D] to logits [N, V], in any floating type.
        device: where ids are sent.
    """

    body: Callable[[torch.Tensor], torch.Tensor]
    head: Callable[[torch.Tensor], torch.Tensor]
    device: torch.device


@dataclass(frozen=True)
class Likelihoods:
    """Natural-log likelihoods, summed in float64.

    Attributes:
        by_sequence: sum over the scored tokens of each sequence, [S].
        tokens_by_sequence: how many those are, [S].
        non_finite: tokens whose log-likelihood is NaN or infinite; the sums are NaN then.
    """

    by_sequence: NDArray[np.float64]
    tokens_by_sequence: NDArray[np.int64]
    non_finite: int

    @property
    def total(self) -> float:
        return math.fsum(self.by_sequence) if not self.non_finite else math.nan

    @property
    def tokens(self) -> int:
        return int(self.tokens_by_sequence.sum())


@dataclass(frozen=True)
class _Row:
    """One window of one sequence: what the model reads, what it predicts, which of it counts."""

    inputs: NDArray[np.integer]
    targets: NDArray[np.integer]
    counted: NDArray[np.bool_]


@torch.inference_mode()
def score_sequences(
    model: ScoringModel,
    sequences: Sequence[TokenSequence],
    windows: Callable[[int], list[Window]],
    *,
    batch_tokens: int = 8192,
    on_progress: Callable[[int], None] | None = None,
) -> Likelihoods:
    """Sum the log-likelihoods of the scored tokens of each sequence.

    Windows are sorted by length and batched up to `batch_tokens` (a longer one alone), padded on
    the right: what comes after a token cannot change a causal model's view of it, so the padding
    needs no mask. Batching changes the sums by rounding only.

    Args:
        windows: the windows of a sequence of so many tokens.
        on_progress: called with the scored tokens of every finished batch.
    """
    rows = [
        (number, _row(sequence, window))
        for number, sequence in enumerate(sequences)
        for window in windows(len(sequence.tokens))
    ]
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index][1].inputs))
    sums = np.zeros(len(rows), dtype=np.float64)
    non_finite = 0
    for batch in _batches(order, [len(row.inputs) for _, row in rows], batch_tokens):
        sums[batch], wrong = _score_batch(model, [rows[index][1] for index in batch])
        non_finite += wrong
        if on_progress is not None:
            on_progress(sum(int(rows[index][1].counted.sum()) for index in batch))
    owners = np.array([number for number, _ in rows], dtype=np.int64)
    by_sequence = np.zeros(len(sequences), dtype=np.float64)
    tokens = np.zeros(len(sequences), dtype=np.int64)
    np.add.at(by_sequence, owners, sums)
    np.add.at(tokens, owners, [row.counted.sum() for _, row in rows])
    return Likelihoods(by_sequence, tokens, non_finite)


def _row(sequence: TokenSequence, window: Window) -> _Row:
    return _Row(
        sequence.tokens[window.inputs],
        sequence.tokens[window.targets],
        sequence.scored[window.targets],
    )


def _batches(order: list[int], lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Runs of `order` (longest first) whose padded size stays within the budget."""
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // lengths[order[start]])
        yield order[start : start + count]
        start += count


def _score_batch(model: ScoringModel, rows: list[_Row]) -> tuple[NDArray[np.float64], int]:
    """The sum for each row [B], and how many tokens have no finite log-likelihood."""
    length = max(len(row.inputs) for row in rows)
    ids = np.zeros((len(rows), length), dtype=np.int64)
    positions, targets, owners = [], [], []
    for number, row in enumerate(rows):
        ids[number, : len(row.inputs)] = row.inputs
        # The last len(targets) outputs predict the targets.
        first = number * length + len(row.inputs) - len(row.targets)
        positions.append(first + np.flatnonzero(row.counted))
        targets.append(row.targets[row.counted].astype(np.int64))
        owners.append(np.full(len(positions[-1]), number))
    likelihoods = _log_likelihoods(
        model.head,
        model.body(torch.from_numpy(ids).to(model.device)).flatten(0, 1),
        torch.from_numpy(np.concatenate(positions)).to(model.device),
        torch.from_numpy(np.concatenate(targets)).to(model.device),
    )
    values = likelihoods.double().cpu().numpy()
    sums = np.zeros(len(rows), dtype=np.float64)
    np.add.at(sums, np.concatenate(owners), values)
    return sums, int((~np.isfinite(values)).sum())


def _log_likelihoods(
    head: Callable[[torch.Tensor], torch.Tensor],
    hidden: torch.Tensor,
    positions: torch.Tensor,
    targets: torch.Tensor,
) -> torch.Tensor:
    """log p(target) at each of `positions` [N] of `hidden` [B*L, D], float32, a part at a time."""
    done: list[torch.Tensor] = []
    start, at_once = 0, _FIRST_POSITIONS
    while start < len(targets):
        part = slice(start, start + at_once)
        logits = head(hidden[positions[part]]).float()
        done.append(-torch.nn.functional.cross_entropy(logits, targets[part], reduction="none"))
        start += at_once
        at_once = max(_FIRST_POSITIONS, _LOGITS_AT_ONCE // logits.shape[-1])
    return torch.cat(done) if done else hidden.new_zeros(0, dtype=torch.float32)
