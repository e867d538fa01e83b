"""Causal language modelling by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from llmctl.objectives.causal_lm import CausalLM


def test_labels_are_the_inputs_one_further() -> None:
    tokens = np.array([[5, 6, 7, 8], [9, 1, 0, 0]], dtype=np.uint16)

    batch = CausalLM().make_batch(tokens, np.array([4, 2]), np.array([0, 1]), 0)

    assert batch.arrays["input_ids"].tolist() == [[5, 6, 7], [9, 1, 0]]
    assert batch.arrays["labels"].tolist() == [[6, 7, 8], [1, -100, -100]]
    assert batch.num_targets == 4


def test_padding_is_told_by_position_not_by_id() -> None:
    """A document's end that has the padding's id is a target: the model must learn to stop."""
    tokens = np.array([[3, 0, 4, 0]])

    batch = CausalLM().make_batch(tokens, np.array([4]), np.array([0]), 0)

    assert batch.arrays["labels"].tolist() == [[0, 4, 0]]


def test_neighbouring_windows_share_one_token() -> None:
    assert CausalLM().window(8) == (9, 8)


def test_the_loss_is_summed_over_targets() -> None:
    """Two tokens of a uniform model over four: 2 ln 4."""
    labels = torch.tensor([[1, 2, -100]])

    def uniform(input_ids: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1, 3, 4)

    uniform.training = True  # type: ignore[attr-defined]
    loss = CausalLM().loss(uniform, {"input_ids": torch.zeros(1, 3).long(), "labels": labels})

    assert loss.item() == pytest.approx(2 * np.log(4), rel=1e-6)
