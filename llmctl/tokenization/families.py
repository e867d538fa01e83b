"""Model families: the special tokens of a tokenizer, their order, and the class it loads as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llmctl.errors import UsageError
from llmctl.tokenization.settings import Family, Kind, TokenizerSettings

T5_SENTINELS = 100

Template = Literal["none", "roberta", "bert", "t5"]

# Text is first cut by these patterns; tokens never reach over a cut.
GPT2_PATTERN = ""  # the one built into `ByteLevel(use_regex=True)` (Radford et al. 2019)
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)  # Llama 3: numbers are cut into three digits, line breaks stay together


@dataclass(frozen=True)
class FamilyFormat:
    """One family.

    `special_tokens` get the ids 0, 1, 2 …; `final_tokens` the highest ids. `roles` says which of
    them is the bos, eos, pad … token. `template` names what is put around one or two texts.
    `class_name` is written to tokenizer_config.json: transformers 4.57 and 5 both know it, which is
    not so for the names that transformers 5 writes itself (`TokenizersBackend`).
    """

    kind: Kind
    class_name: str
    special_tokens: tuple[str, ...]
    roles: Mapping[str, str]
    pattern: str = GPT2_PATTERN
    template: Template = "none"
    final_tokens: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def _one_token(token: str) -> dict[str, str]:
    """A causal model's only special token: it ends each document, so it also starts the next.

    It also pads: padding is told from the end of a text by its position, never by its id.
    """
    return dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), token)


_ROBERTA: dict[str, Any] = {
    "special_tokens": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "roles": {
        "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>",
        "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
    },
    "template": "roberta",
}  # fmt: skip

FAMILIES: Mapping[Family, FamilyFormat] = {
    "gpt": FamilyFormat(
        kind="bpe",
        class_name="GPT2Tokenizer",
        special_tokens=("<|endoftext|>",),
        roles=_one_token("<|endoftext|>"),
    ),
    # LlamaTokenizer means the SentencePiece files of Llama 1 and 2; transformers 5 would rebuild
    # the tokenizer that way. Llama 3 itself ships as PreTrainedTokenizerFast. There is no separate
    # bos token: documents are packed with the end token between them, so a bos token put before a
    # prompt would be one that the model has never seen.
    "llama": FamilyFormat(
        kind="bpe",
        class_name="PreTrainedTokenizerFast",
        special_tokens=("<|end_of_text|>",),
        roles=_one_token("<|end_of_text|>"),
        pattern=LLAMA3_PATTERN,
    ),
    "roberta": FamilyFormat(kind="bpe", class_name="RobertaTokenizer", **_ROBERTA),
    "bart": FamilyFormat(kind="bpe", class_name="BartTokenizer", **_ROBERTA),
    "bert": FamilyFormat(
        kind="wordpiece",
        class_name="BertTokenizer",
        special_tokens=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
        roles={
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
        },
        template="bert",
    ),
    # Raffel et al. 2020; sentinel 0 has the highest id, as in the released T5 models.
    "t5": FamilyFormat(
        kind="unigram",
        class_name="T5Tokenizer",
        special_tokens=("<pad>", "</s>", "<unk>"),
        roles={"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
        template="t5",
        final_tokens=tuple(f"<extra_id_{i}>" for i in reversed(range(T5_SENTINELS))),
        options={"extra_ids": T5_SENTINELS},
    ),
}

DEFAULT_FAMILY: Mapping[Kind, Family] = {"bpe": "gpt", "wordpiece": "bert", "unigram": "t5"}


def family_of(settings: TokenizerSettings) -> FamilyFormat:
    """The family asked for, or the usual one of the kind.

    Raises:
        UsageError: the family does not use tokenizers of this kind.
    """
    name = settings.family or DEFAULT_FAMILY[settings.kind]
    family = FAMILIES[name]
    if family.kind != settings.kind:
        fitting = ", ".join(key for key, value in FAMILIES.items() if value.kind == settings.kind)
        raise UsageError(
            f"family {name} uses {family.kind} tokenizers, not {settings.kind}",
            hint=f"--kind {family.kind}, or for {settings.kind} one of: {fitting}",
        )
    return family
