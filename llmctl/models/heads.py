"""The heads a model can be given: which class loads it, and what training calls. Light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Head:
    """What stands on a model's body.

    Attributes:
        auto_class: the class of transformers that builds such a model and loads its folder.
        wrapper: `module:class` of what training calls, see there for arguments and result.
        decoder_inputs: its models read a second row of ids, `decoder_input_ids`.
    """

    auto_class: str
    wrapper: str
    decoder_inputs: bool = False


HEADS: Mapping[str, Head] = {
    "causal": Head("AutoModelForCausalLM", "llmctl.models.causal:CausalLogits"),
    "masked": Head("AutoModelForMaskedLM", "llmctl.models.masked:MaskedLogits"),
    "masked-pair": Head("AutoModelForPreTraining", "llmctl.models.masked:MaskedPairLogits"),
    "seq2seq": Head("AutoModelForSeq2SeqLM", "llmctl.models.seq2seq:Seq2SeqLogits", True),
    "prefix": Head("AutoModelForCausalLM", "llmctl.models.prefix:PrefixLogits"),
    "permuted": Head("AutoModelForCausalLM", "llmctl.models.permuted:PermutedLogits"),
    "replaced": Head("AutoModelForPreTraining", "llmctl.models.replaced:ReplacedTokens"),
    **{
        name: Head(auto_class, f"llmctl.models.task_heads:{wrapper}")
        for name, auto_class, wrapper in (
            ("sequence-classification", "AutoModelForSequenceClassification", "SequenceLogits"),
            ("token-classification", "AutoModelForTokenClassification", "TaskLogits"),
            ("question-answering", "AutoModelForQuestionAnswering", "SpanLogits"),
            ("multiple-choice", "AutoModelForMultipleChoice", "TaskLogits"),
        )
    },
}
TASK_HEADS = frozenset(
    {"sequence-classification", "token-classification", "question-answering", "multiple-choice"}
)
"""Heads that only finetuning makes: a pretrained model is given a fresh one."""


def wrap(model: Any, head: str) -> torch.nn.Module:
    """The model as an objective's `loss` calls it."""
    module, _, name = HEADS[head].wrapper.partition(":")
    wrapped: torch.nn.Module = getattr(import_module(module), name)(model)
    return wrapped
