"""A model is loaded with the head asked for, or refused by what it is: never half random."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import random_ids, small_model

from llmctl.errors import InputMissing, SafetyError, SettingsMismatch, UsageError
from llmctl.models.architecture import find_head
from llmctl.models.load import load_model, read_architecture
from llmctl.models.members import members
from llmctl.models.save import save_model

HEAD_OF = {
    "bert-tiny": "masked", "t5-tiny": "seq2seq", "bart-tiny": "seq2seq", "gpt2-tiny": "causal",
    "xlnet-tiny": "permuted", "xlm-tiny": "masked", "lstm-tiny": "causal",
}  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The folder of a fresh model: (preset, head)."""
    preset, head = request.param
    for name, member in members(small_model(preset, head)).items():
        save_model(member, tmp_path / name)
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("saved", "head"),
    [((preset, head), head) for preset, head in HEAD_OF.items()]
    + [(("bert-tiny", "masked-pair"), "masked-pair"), (("electra-tiny", "replaced"), "replaced")],
    indirect=["saved"],
)
def test_the_head_of_a_folder_is_found(saved: Path, head: str) -> None:
    assert find_head(read_architecture(saved)) == head
    assert load_model(saved, head).training is False


def test_a_class_without_such_a_head_is_refused() -> None:
    config = SimpleNamespace(
        model_type="bert", architectures=["BertForNextSentencePrediction"], is_encoder_decoder=False
    )
    with pytest.raises(UsageError, match="BertForNextSentencePrediction has no head of language"):
        find_head(config)


@pytest.mark.parametrize(
    ("saved", "head", "what", "found"),
    [
        (("bert-tiny", "masked"), "causal", "a causal language model", "an encoder"),
        (("bert-tiny", "masked"), "seq2seq", "an encoder-decoder language model", "an encoder"),
        (("bert-tiny", "masked"), "masked-pair", "a head for pairs", "BertForMaskedLM"),
        (("gpt2-tiny", "causal"), "masked", "a masked language model", "a decoder"),
        (("t5-tiny", "seq2seq"), "causal", "a causal language model", "an encoder-decoder"),
        (("bart-tiny", "seq2seq"), "masked", "a masked language model", "an encoder-decoder"),
        (("xlnet-tiny", "permuted"), "causal", "a causal", "a permutation language model"),
        (("gpt2-tiny", "causal"), "permuted", "a permutation language model", "a decoder"),
        (("lstm-tiny", "causal"), "prefix", "a causal", "LstmForCausalLM"),
        (("electra-tiny", "replaced"), "masked", "a masked", "ElectraForPreTraining"),
        (("electra-tiny", "masked"), "replaced", "a discriminator", "ElectraForMaskedLM"),
    ],
    indirect=["saved"],
)
def test_other_models_are_refused_by_what_they_are(
    saved: Path, head: str, what: str, found: str
) -> None:
    with pytest.raises(UsageError) as refused:
        load_model(saved, head)

    assert refused.value.exit_code == 2
    assert f"is not {what}" in refused.value.message or what in refused.value.message
    assert found in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("saved", [("bert-tiny", "masked-pair")], indirect=True)
@torch.no_grad()
def test_a_masked_model_leaves_its_head_for_pairs_unread(saved: Path) -> None:
    """bert-base-uncased itself is saved so."""
    ids = random_ids(1, 10)

    masked, both = load_model(saved, "masked"), load_model(saved, "masked-pair")

    torch.testing.assert_close(masked(ids).logits, both(ids).prediction_logits)


@pytest.mark.parametrize("saved", [("t5-tiny", "seq2seq")], indirect=True)
@pytest.mark.parametrize("change", ["missing", "left over"])
def test_weights_that_do_not_fit_are_refused(saved: Path, change: str) -> None:
    path = saved / "model.safetensors"
    weights = load_file(path)
    if change == "missing":
        del weights["encoder.final_layer_norm.weight"]
    else:
        weights["encoder.more.weight"] = torch.zeros(2)
    save_file(weights, path, metadata={"format": "pt"})

    with pytest.raises(SettingsMismatch, match=r"encoder\.(final_layer_norm|more)") as refused:
        load_model(saved, "seq2seq")

    assert refused.value.exit_code == 78


@pytest.mark.parametrize("saved", [("bert-tiny", "masked")], indirect=True)
def test_pickled_weights_are_refused_for_every_head(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")

    with pytest.raises(SafetyError) as refused:
        load_model(saved, "masked")

    assert refused.value.exit_code == 77


@pytest.mark.parametrize("saved", [("electra-tiny", "replaced")], indirect=True)
def test_a_discriminator_without_its_generator_is_not_trained_on(saved: Path) -> None:
    (saved.parent / "generator" / "config.json").unlink()

    with pytest.raises(InputMissing, match="there is no generator beside it"):
        load_model(saved, "replaced")
