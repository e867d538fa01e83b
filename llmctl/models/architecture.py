"""Does a folder hold a model of the kind asked for? Said from its configuration, before loading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl.errors import UsageError
from llmctl.models.families import REGISTERED, heads_of
from llmctl.models.heads import HEADS


@dataclass(frozen=True)
class _Kind:
    """Where transformers lists the classes with a head, and what to say of the others.

    `table` is one of `transformers.models.auto.modeling_auto`: model type → class.
    """

    table: str
    what: str
    hint: str


_CAUSAL = _Kind(
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "a causal language model",
    "give a GPT-, Llama- or similar decoder-only model",
)
_PRETRAINING = "MODEL_FOR_PRETRAINING_MAPPING_NAMES"
_KINDS = {
    "causal": _CAUSAL,
    "prefix": _CAUSAL,
    "masked": _Kind(
        "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
        "a masked language model",
        "give a BERT-like model with its head: one that was pretrained, not finetuned",
    ),
    "masked-pair": _Kind(
        _PRETRAINING,
        "a masked language model with a head for pairs of sentences",
        "give a BERT (next sentence) or ALBERT (sentence order) saved from pretraining",
    ),
    "seq2seq": _Kind(
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
        "an encoder-decoder language model",
        "give a T5-, BART- or similar model",
    ),
    "permuted": _Kind(
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
        "a permutation language model",
        "give an XLNet with its head",
    ),
    "replaced": _Kind(
        _PRETRAINING,
        "a discriminator of replaced tokens",
        "give an ELECTRA saved from pretraining, its generator beside it",
    ),
    "sequence-classification": _Kind(
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
        "a text classifier",
        "give a model that was finetuned for text-classification",
    ),
    "token-classification": _Kind(
        "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
        "a token classifier",
        "give a model that was finetuned for token-classification",
    ),
    "question-answering": _Kind(
        "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
        "a model that answers questions by spans",
        "give a model that was finetuned for question-answering",
    ),
    "multiple-choice": _Kind(
        "MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES",
        "a model that chooses between answers",
        "give a model that was finetuned for multiple-choice",
    ),
}
assert _KINDS.keys() == HEADS.keys()


def refuse_other_architectures(config: Any, folder: Path, head: str = "causal") -> None:
    """Let only models through whose architecture has this head.

    Raises:
        UsageError: says what the model is.
    """
    from transformers.models.auto import modeling_auto as tables

    kind = _KINDS[head]
    model_type = config.model_type
    expected = _class_with(kind, model_type, tables)
    accepted = [expected, tables.MODEL_MAPPING_NAMES.get(model_type)]
    if head == "masked" and "masked-pair" in heads_of(model_type):
        accepted.append(tables.MODEL_FOR_PRETRAINING_MAPPING_NAMES[model_type])
    names = [name for name in (config.architectures or []) if isinstance(name, str)]
    name = names[0] if names else expected
    found = _describe(config, tables)
    if expected and name in accepted and _fits(config, head, found):
        return
    raise UsageError(
        f"{folder} is not {kind.what}: its architecture is {name or model_type} ({found})",
        hint=kind.hint,
    )


def find_head(config: Any) -> str:
    """The head that a folder was saved with, by its configuration's first architecture.

    Raises:
        UsageError: a class that has none of them.
    """
    from transformers.models.auto import modeling_auto as tables

    names = [name for name in (config.architectures or []) if isinstance(name, str)]
    found = _describe(config, tables)
    for head, kind in _KINDS.items():
        expected = _class_with(kind, config.model_type, tables)
        if expected and names[:1] in ([expected], []) and _fits(config, head, found):
            return head
    raise UsageError(
        f"{names[0] if names else config.model_type} has no head of language modelling",
        hint="give a model that was saved from pretraining",
    )


def _class_with(kind: _Kind, model_type: str, tables: Any) -> str | None:
    if model_type in REGISTERED:
        return "LstmForCausalLM" if kind is _CAUSAL else None
    name: str | None = getattr(tables, kind.table).get(model_type)
    return name


def has_class_with(head: str, model_type: str) -> bool:
    """Whether transformers has a class of this model type with this head."""
    from transformers.models.auto import modeling_auto as tables

    return _class_with(_KINDS[head], model_type, tables) is not None


def _fits(config: Any, head: str, found: str) -> bool:
    """Several classes are in a table of transformers without reading as its name says."""
    if head in ("causal", "prefix"):
        return found == _DECODER and (head == "causal" or config.model_type not in REGISTERED)
    if head == "masked":
        return not config.is_encoder_decoder and not getattr(config, "is_decoder", False)
    if head in ("masked-pair", "replaced", "permuted"):
        return head in heads_of(config.model_type)
    return True


_DECODER = "a decoder with another head"


def _describe(config: Any, tables: Any) -> str:
    """What a configuration is; an XLNet predicts in any order, and sees both sides to do so."""
    model_type = config.model_type
    if config.is_encoder_decoder:
        return "an encoder-decoder"
    if model_type == "xlnet":
        return "a permutation language model"
    if model_type in REGISTERED:
        return _DECODER
    masked = model_type in tables.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    decodes = getattr(config, "is_decoder", False) or not masked
    if decodes and model_type in tables.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return _DECODER
    return "an encoder"
