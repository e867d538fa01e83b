"""What training calls gives the numbers of the classes' own forward, and only those asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_models import pieces_of, random_ids, small_model
from transformers import MobileBertConfig, MobileBertForMaskedLM

from llmctl.models.families import FAMILIES, heads_of
from llmctl.models.heads import HEADS, TASK_HEADS, wrap
from llmctl.models.masked import MASKED_HEADS, PAIR_HEADS
from llmctl.models.prefix import prefix_mask, prefix_positions
from llmctl.models.presets import PRESETS
from llmctl.models.replaced import ReplacedTokens
from llmctl.models.seq2seq import SEQ2SEQ_HEADS

MASKED = [
    "bert-tiny", "roberta-tiny", "xlm-roberta-tiny", "albert-tiny", "distilbert-tiny",
    "electra-tiny", "modernbert-tiny", "deberta-v3-tiny", "xlm-tiny",
]  # fmt: skip
SEQ2SEQ = ["t5-tiny", "t5-v1.1-tiny", "mt5-tiny", "bart-tiny", "mbart-tiny"]
POSITIONS = torch.tensor([3, 4, 40, 77, 127, 130])


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """The same sums by another matrix product: float32, 2e-6 of the largest."""
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * expected.abs().max().item())


def test_every_family_has_its_head_here() -> None:
    architectures = {name: family.architecture for name, family in FAMILIES.items()}

    assert {PRESETS[name].model_type for name in MASKED} == MASKED_HEADS.keys()
    assert {
        name for name, kind in architectures.items() if kind == "encoder"
    } == MASKED_HEADS.keys()
    assert {name for name in FAMILIES if "masked-pair" in heads_of(name)} == PAIR_HEADS.keys()
    assert {
        name for name, kind in architectures.items() if kind == "encoder-decoder"
    } == SEQ2SEQ_HEADS.keys()
    assert {head for name in FAMILIES for head in heads_of(name)} == HEADS.keys() - TASK_HEADS


@pytest.mark.parametrize("preset", MASKED)
@torch.no_grad()
def test_logits_at_positions_are_the_dense_ones_gathered(preset: str) -> None:
    model = small_model(preset, "masked")
    ids = random_ids(2, 72)
    wrapped: Any = wrap(model, "masked")

    found = wrapped(ids, POSITIONS)

    assert wrapped.head_apart
    assert found.shape == (6, model.config.vocab_size)
    close(found, model(ids).logits.flatten(0, 1)[POSITIONS])


@pytest.mark.parametrize("head_apart", [True, False])
@pytest.mark.parametrize("preset", ["gpt2-tiny", "llama-tiny", "lstm-tiny"])
@torch.no_grad()
def test_a_decoder_gives_logits_where_they_are_asked_for(preset: str, head_apart: bool) -> None:
    model = small_model(preset, "causal")
    ids, positions = random_ids(2, 24), torch.tensor([[3, 23], [7, 0]])
    wrapped: Any = wrap(model, "causal")
    wrapped.head_apart = wrapped.head_apart and head_apart

    found = wrapped(ids, positions=positions)

    assert found.shape == (2, 2, model.config.vocab_size)
    close(found, model(ids).logits[torch.tensor([[0], [1]]), positions])


@pytest.mark.parametrize("preset", ["bert-tiny", "albert-tiny", "electra-tiny"])
@torch.no_grad()
def test_segments_reach_the_embeddings(preset: str) -> None:
    model = small_model(preset, "masked")
    ids = random_ids(2, 72)
    segments = torch.zeros_like(ids)
    segments[:, 30:] = 1

    found = wrap(model, "masked")(ids, POSITIONS, token_type_ids=segments)

    close(found, model(ids, token_type_ids=segments).logits.flatten(0, 1)[POSITIONS])


@torch.no_grad()
def test_languages_and_places_reach_xlm() -> None:
    model = small_model("xlm-tiny", "masked")
    ids = random_ids(2, 72)
    languages = torch.full_like(ids, 3)
    places = torch.arange(72).remainder(36).expand(2, 72).contiguous()

    found = wrap(model, "masked")(ids, POSITIONS, langs=languages, position_ids=places)

    expected = model(ids, langs=languages, position_ids=places).logits.flatten(0, 1)[POSITIONS]
    close(found, expected)


@torch.no_grad()
def test_places_given_to_a_roberta_start_after_its_padding_id() -> None:
    model = small_model("roberta-tiny", "masked")
    ids = random_ids(2, 72)
    places = torch.arange(72).remainder(36).expand(2, 72).contiguous()

    found = wrap(model, "masked")(ids, POSITIONS, position_ids=places)

    expected = model(ids, position_ids=places + 2).logits.flatten(0, 1)[POSITIONS]
    close(found, expected)


@pytest.mark.parametrize(
    ("preset", "pair"), [("bert-tiny", "seq_relationship_logits"), ("albert-tiny", "sop_logits")]
)
@torch.no_grad()
def test_both_logits_of_pairs_are_the_class_own(preset: str, pair: str) -> None:
    model = small_model(preset, "masked-pair")
    ids = random_ids(2, 72)
    own = model(ids)

    logits, pairs = wrap(model, "masked-pair")(ids, POSITIONS)

    close(logits, own.prediction_logits.flatten(0, 1)[POSITIONS])
    close(pairs, own[pair])


def test_a_class_without_a_head_for_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="RobertaForMaskedLM has no head for pairs"):
        wrap(small_model("roberta-tiny", "masked"), "masked-pair")


@torch.no_grad()
def test_a_class_that_is_not_known_is_called_whole() -> None:
    config = MobileBertConfig(
        vocab_size=300, hidden_size=32, embedding_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32, intra_bottleneck_size=16,
    )  # fmt: skip
    model = MobileBertForMaskedLM(config).eval()
    ids = random_ids(2, 72)
    wrapped: Any = wrap(model, "masked")

    assert not wrapped.head_apart
    assert torch.equal(wrapped(ids, POSITIONS), model(ids).logits.flatten(0, 1)[POSITIONS])
    padded = wrapped(ids[:1], POSITIONS[:2], pieces_of([50], 72))
    close(padded, wrapped(ids[:1, :50], POSITIONS[:2]))
    with pytest.raises(ValueError, match="cannot keep several pieces"):
        wrapped(ids[:1], POSITIONS[:2], pieces_of([20, 20], 72))


@pytest.mark.parametrize("preset", SEQ2SEQ)
@pytest.mark.parametrize("attention", ["auto", "sdpa", "eager"])
@torch.no_grad()
def test_logits_of_a_target_are_the_class_own(preset: str, attention: str) -> None:
    model = small_model(preset, "seq2seq", attention)
    source, target = random_ids(2, 30), random_ids(2, 12, seed=1)
    wrapped: Any = wrap(model, "seq2seq")

    found = wrapped(source, target)

    assert wrapped.head_apart
    model.set_attn_implementation("eager")
    close(found, model(input_ids=source, decoder_input_ids=target).logits)


@pytest.mark.parametrize("preset", ["gpt2-tiny", "llama-tiny"])
@torch.no_grad()
def test_a_prefix_is_read_in_both_directions(preset: str) -> None:
    """The target's logits are those of the class with the mask of Raffel et al. 2020, figure 4."""
    model = small_model(preset, "causal", "sdpa")
    source, target = random_ids(2, 5), random_ids(2, 4, seed=1)
    mask = torch.tensor(
        [[c < 5 or c <= r for c in range(9)] for r in range(9)], dtype=torch.bool
    ).expand(2, 1, 9, 9)

    found = wrap(model, "prefix")(source, target)

    expected = model(torch.cat([source, target], dim=1), attention_mask=mask).logits[:, 5:]
    close(found, expected)
    assert not torch.allclose(found, model(torch.cat([source, target], dim=1)).logits[:, 5:])


def test_masks_and_places_of_a_prefix_in_pieces_by_hand() -> None:
    """Source a a b -, target A B B: piece 0 is a a A, piece 1 is b B B."""
    source, target = torch.tensor([[0, 0, 1, -1]]), torch.tensor([[0, 1, 1]])

    mask = prefix_mask(source, target).int()[0, 0]

    assert mask[[0, 1, 2, 4, 5, 6]].tolist() == [
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 1, 1],
    ]
    assert prefix_positions(source, target).tolist() == [[0, 1, 0, 0, 2, 1, 2]]


@torch.no_grad()
def test_logits_of_permuted_targets_are_the_class_own() -> None:
    model = small_model("xlnet-tiny", "permuted")
    ids = random_ids(2, 20)
    hidden = torch.zeros(2, 20, 20)
    hidden[:, :, 15:] = 1
    mapping = torch.nn.functional.one_hot(torch.arange(15, 18).expand(2, 3), 20).float()

    found = wrap(model, "permuted")(ids, hidden, mapping)

    assert found.shape == (2, 3, model.config.vocab_size)
    close(found, model(ids, perm_mask=hidden, target_mapping=mapping).logits)


def test_generator_and_discriminator_read_through_the_same_embeddings() -> None:
    """Clark et al. 2020, section 3.2; a quarter as wide: table 6."""
    pair = small_model("electra-tiny", "replaced", config={"generator_size": 0.25})
    wrapped = wrap(pair, "replaced")
    assert isinstance(wrapped, ReplacedTokens)
    ids = random_ids(2, 72)

    logits, scores = wrapped.generator(ids, POSITIONS), wrapped.discriminator(ids)
    (logits.sum() + scores.sum()).backward()

    generator, discriminator = pair.generator, pair.discriminator
    assert (generator.config.hidden_size, discriminator.config.hidden_size) == (32, 128)
    close(logits, generator(ids).logits.flatten(0, 1)[POSITIONS])
    close(scores, discriminator(ids).logits)
    own, shared = generator.electra.embeddings, discriminator.electra.embeddings
    assert own.word_embeddings.weight is shared.word_embeddings.weight
    assert own.position_embeddings.weight is shared.position_embeddings.weight
    assert generator.generator_lm_head.weight is shared.word_embeddings.weight
    assert own.LayerNorm.weight is not shared.LayerNorm.weight
    assert all(parameter.grad is not None for parameter in pair.parameters())


@pytest.mark.parametrize(
    ("preset", "head"),
    [(name, head) for name, preset in PRESETS.items() if name.endswith("-tiny")
     for head in heads_of(preset.model_type)],
)  # fmt: skip
def test_every_parameter_that_trains_gets_a_gradient(preset: str, head: str) -> None:
    """Processes that average gradients would wait for one that never comes."""
    model = small_model(preset, head)
    wrapped: Any = wrap(model, head)
    ids, more = random_ids(2, 72), {}
    if preset == "xlm-tiny":
        more["langs"] = torch.ones_like(ids)
    if head == "replaced":
        outputs = [wrapped.generator(ids, POSITIONS), wrapped.discriminator(ids)]
    elif head == "permuted":
        mapping = torch.nn.functional.one_hot(torch.arange(5).expand(2, 5), 72).float()
        outputs = [wrapped(ids, torch.zeros(2, 72, 72), mapping)]
    elif head in ("seq2seq", "prefix"):
        outputs = [wrapped(ids, ids[:, :9])]
    elif head == "causal":
        outputs = [wrapped(ids)]
    else:
        outputs = wrapped(ids, POSITIONS, **more)
        outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]

    sum(output.square().sum() for output in outputs).backward()

    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


@pytest.mark.parametrize("head", ["masked", "seq2seq", "causal"])
def test_no_logits_are_computed_that_are_not_asked_for(head: str) -> None:
    """The largest tensor that the head gives has a row for each position, not for each token."""
    preset = {"masked": "bert-tiny", "seq2seq": "t5-tiny", "causal": "gpt2-tiny"}[head]
    model = small_model(preset, head)
    wrapped = wrap(model, head)
    rows: list[int] = []
    model.get_output_embeddings().register_forward_hook(
        lambda *call: rows.append(call[2].numel() // call[2].shape[-1])
    )

    if head == "masked":
        wrapped(random_ids(2, 72), POSITIONS)
    elif head == "seq2seq":
        wrapped(random_ids(2, 72), random_ids(2, 3))
    else:
        wrapped(random_ids(2, 3))

    assert rows == [6]
