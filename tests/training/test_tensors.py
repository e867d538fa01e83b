"""Weights and optimizer state come back bit for bit, for every optimizer."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import core
import pytest
import torch

from llmctl.errors import CheckpointError, StorageError
from llmctl.training.settings import SGD, Adafactor, AdamW, Muon
from llmctl.training.step import optimizer_step
from llmctl.training.tensors import load_optimizers, load_weights, save_optimizers, save_weights


@pytest.mark.parametrize(
    "optimizer",
    [AdamW(), SGD(name="sgd"), Adafactor(name="adafactor"), Muon(name="muon")],
    ids=lambda optimizer: optimizer.name,
)
def test_training_goes_on_bit_for_bit_from_saved_tensors(tmp_path: Path, optimizer: object) -> None:
    rate = None if isinstance(optimizer, Adafactor) else 1e-2
    first = core.make_fixture(tmp_path, optimizer=optimizer, rate=rate, dropout=0.1)  # type: ignore[arg-type]
    second = core.make_fixture(tmp_path, optimizer=optimizer, rate=rate, dropout=0.1)  # type: ignore[arg-type]
    trainable = first.attempt.trainable
    for step in range(3):
        optimizer_step(trainable, first.attempt.batches(step), step, 1.0)
    save_weights(first.model, tmp_path / "w.safetensors")
    numbers = save_optimizers(trainable.optimizers, first.model, tmp_path / "o.safetensors")
    load_weights(second.model, tmp_path / "w.safetensors")
    load_optimizers(
        second.attempt.trainable.optimizers, second.model, tmp_path / "o.safetensors", numbers
    )

    for fixture in (first, second):
        for step in range(3, 6):
            optimizer_step(fixture.attempt.trainable, fixture.attempt.batches(step), step, 1.0)

    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = core.make_model()
    save_weights(model, tmp_path / "w.safetensors")
    other = core.make_model(seed=9)
    load_weights(other, tmp_path / "w.safetensors")

    assert "lm_head.weight" not in load_file(tmp_path / "w.safetensors")
    assert other.lm_head.weight.data_ptr() == other.transformer.wte.weight.data_ptr()
    assert torch.equal(other.lm_head.weight, model.lm_head.weight)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    save_weights(core.make_model(), tmp_path / "w.safetensors")
    config = GPT2Config(vocab_size=core.VOCABULARY, n_positions=32, n_embd=32, n_layer=3, n_head=2)

    with pytest.raises(CheckpointError, match=r"h\.2\..* is missing"):
        load_weights(GPT2LMHeadModel(config), tmp_path / "w.safetensors")


def test_a_full_disk_is_an_expected_error(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk; safetensors raises no OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StorageError, match="cannot write") as full:
            save_weights(core.make_model(), tmp_path / "w.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert full.value.exit_code == 74
