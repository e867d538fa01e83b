"""Texts in, texts out: summarization, translation, and any task put as text with a prefix.

An encoder reads the source, a decoder writes the target (Raffel et al. 2020, section 2.4, where the
prefix says which task it is; Lewis et al. 2020, section 3.4).

source    "summarize: " + document      → input_ids          5 6 7 </s>
target    summary                       → labels             8 9 </s>
                                          decoder_input_ids  start 8 9
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from llmctl.errors import UsageError
from llmctl.metrics.base import Measured
from llmctl.section import Names
from llmctl.tasks.base import (
    Baseline,
    Decode,
    Encoded,
    Example,
    Feature,
    Problem,
    Task,
)
from llmctl.tasks.lead import lead_sentences, mean_sentences
from llmctl.tasks.model_traits import ModelTraits
from llmctl.tasks.source_target_rows import Side, pair_arrays, source_sides, target_sides
from llmctl.tasks.text_answers import (
    END_WORDS,
    answer_problems,
    measure_texts,
    most_frequent,
)
from llmctl.tasks.text_ids import end_id
from llmctl.tasks.text_pairs import TextPair, pair_of
from llmctl.tasks.token_losses import NO_TARGET, losses_by_row

if TYPE_CHECKING:
    import torch

Kind = Literal["text-to-text", "summarization", "translation"]
_METRICS: Mapping[Kind, tuple[str, ...]] = {
    "text-to-text": ("exact_match", "rouge"),
    "summarization": ("rouge",),
    "translation": ("bleu", "chrf"),
}


class SequenceToSequence(Task):
    """Settings of finetuning an encoder-decoder."""

    name: Literal["sequence-to-sequence"] = "sequence-to-sequence"
    heads: ClassVar[tuple[str, ...]] = ("seq2seq",)
    problem_kinds: ClassVar[tuple[str, ...]] = ("empty_answer", "duplicate")
    generates: ClassVar[bool] = True
    main_metric: ClassVar[str] = "loss"

    kind: Kind = Field(
        "text-to-text",
        description="summarization, translation or text-to-text: chooses metrics and baseline",
    )
    source: str = Field(
        "source",
        description="Column of the source; `translation.en` is the column en in the column "
        "translation, a number a column without a header. A list of sentences is joined",
    )
    target: str = Field(
        "target", description="Column of the target; a list holds several references"
    )
    prefix: str = Field(
        "", description='Put before each source: the name of a task, such as "summarize: "'
    )
    joiner: str = Field(" ", description="Put between the sentences of a source that is a list")
    max_source_length: int | None = Field(
        None, ge=4, description="Tokens of a source at most; longer ones are cut; none: max_length"
    )
    max_target_length: int | None = Field(
        None, ge=2, description="Tokens of a target at most, its end included; none: max_length"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each target token spread over the vocabulary"
    )
    end_words: Names = Field(
        list(END_WORDS),
        description="What is cut from the end of targets: names of end tokens that older files "
        "write out; the task puts the model's own",
    )
    metrics: Names | None = Field(
        None,
        description="What generated texts are measured by (see `llmctl score`); none: by kind, "
        "rouge, or bleu and chrf, or exact_match and rouge",
    )
    language: str = Field(
        "auto", description="Language of the targets, such as zh; auto: by their letters"
    )
    start_id: int | None = Field(
        None, description="Settled by the model: the id that its decoder reads first"
    )
    start_token: Literal["pad", "eos"] | None = Field(
        None, description="Settled by the model: the token of that id, where it is a fresh one"
    )

    def text_column(self) -> str | None:
        return self.source

    # Rows -------------------------------------------------------------------------------------

    def example(self, row: Mapping[str, Any], *, labelled: bool = True) -> TextPair:
        """
        >>> task = SequenceToSequence(source="translation.en", target="translation.zh")
        >>> task.example({"translation": {"en": "sea", "zh": "海"}})
        TextPair(source='sea', sentences=(), targets=('海',))
        """
        return pair_of(
            row, self.source, self.target, joiner=self.joiner, end_words=self.end_words,
            labelled=labelled,
        )  # fmt: skip

    def for_model(self, traits: ModelTraits) -> Self:
        longest = traits.longest_row
        for name in ("max_source_length", "max_target_length"):
            wanted = getattr(self, name)
            if longest is not None and wanted is not None and wanted > longest:
                raise UsageError(
                    f"task.{name} is {wanted:,}, and the model takes {longest:,} tokens at most",
                    hint=f"task.{name}={longest}",
                )
        return self.model_copy(
            update={"start_id": traits.start_id, "start_token": traits.start_token}
        )

    def for_tokenizer(self, tokenizer: Any) -> Self:
        if self.start_id is not None or self.start_token is None:
            return self
        starts_with_end = self.start_token == "eos"  # noqa: S105
        start = end_id(tokenizer) if starts_with_end else tokenizer.pad_token_id
        return self.model_copy(update={"start_id": start})

    def identity(self, example: Example) -> str:
        source: str = example.content.source
        return source

    def problems(self, examples: Sequence[Example]) -> Iterator[Problem]:
        contents = [one.content for one in examples]
        return answer_problems(contents, [content.targets[:1] for content in contents])

    def show(self, example: Example) -> list[tuple[str, str]]:
        content: TextPair = example.content
        others = [("also right", text) for text in content.targets[1:]]
        learnt = [("is trained on", text) for text in content.targets[:1]]
        return [("reads", self.prefix + content.source), *learnt, *others]

    def show_feature(self, feature: Feature, decode: Decode) -> list[tuple[str, str]]:
        arrays = feature.arrays
        learnt = decode(arrays["labels"].tolist()) if "labels" in arrays else ""
        return [("reads", decode(arrays["input_ids"].tolist())), ("is trained on", learnt)]

    # Features ---------------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example], tokenizer: Any, *, labelled: bool) -> Encoded:
        """Sources and targets in tokens.

        A source that is too long loses its end but not the token that ends sources; a target that
        is too long is learnt up to there, and not that it ended there.
        """
        sources = self._sources(examples, tokenizer)
        if not labelled:
            features = [
                Feature((number,), {"input_ids": np.array(one.ids, dtype=np.int64)}, (0,))
                for number, one in enumerate(sources)
            ]
            return Encoded(features, sum(one.cut for one in sources))
        if self.start_id is None:
            raise UsageError(
                "the model does not say what its decoder reads first, so it cannot learn targets",
                hint="give an encoder-decoder, such as T5 or BART",
            )
        room = self.max_target_length or self.max_length
        assert room is not None
        first = [one.content.targets[0] for one in examples]
        pairs = list(
            zip(sources, target_sides(tokenizer, first, room, start_id=self.start_id), strict=True)
        )
        features = [
            Feature((number,), pair_arrays(source, target, self.start_id), (len(target.ids),))
            for number, (source, target) in enumerate(pairs)
            if not target.lost
        ]
        cut = sum(source.cut or target.cut for source, target in pairs)
        return Encoded(features, cut, sum(target.lost for _, target in pairs))

    def _sources(self, examples: Sequence[Example], tokenizer: Any) -> list[Side]:
        room = self.max_source_length or self.max_length
        assert room is not None
        return source_sides(tokenizer, [self.prefix + one.content.source for one in examples], room)

    def padding(self, tokenizer: Any) -> dict[str, int]:
        pad = tokenizer.pad_token_id or 0
        return {
            "input_ids": pad, "decoder_input_ids": pad, "labels": NO_TARGET, "source_pieces": -1,
            "target_pieces": -1,
        }  # fmt: skip

    # The model --------------------------------------------------------------------------------

    def outputs(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Two numbers a row: the summed loss of its target, and how many tokens that has."""
        logits = model(
            batch["input_ids"], batch["decoder_input_ids"],
            source_pieces=batch["source_pieces"], target_pieces=batch["target_pieces"],
        )  # fmt: skip
        return losses_by_row(
            logits, batch["labels"], training=model.training, smoothing=self.label_smoothing
        )

    def loss(
        self,
        outputs: dict[str, torch.Tensor],
        batch: dict[str, torch.Tensor],  # noqa: ARG002
    ) -> torch.Tensor:
        """Cross-entropy of the targets' tokens in nats, smoothed in training."""
        return outputs["losses"].sum()[None]

    # Answers ----------------------------------------------------------------------------------

    def prompt(self, example: Example, tokenizer: Any) -> list[int]:
        """What the encoder reads."""
        return self._sources([example], tokenizer)[0].ids

    def answer(self, example: Example, text: str) -> dict[str, Any]:  # noqa: ARG002
        return {"prediction": text.strip()}

    def end_ids(self, tokenizer: Any) -> list[int]:
        """The tokens at which generation stops."""
        return [end_id(tokenizer)]

    def measure(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Measured]:
        """By `metrics`, against all right answers of a row; perplexity is `answer_perplexity`."""
        pairs = [
            (one["prediction"], list(example.content.targets))
            for example, one in zip(examples, predictions, strict=True)
            if example.content.targets
        ]
        return measure_texts(
            self.metrics or _METRICS[self.kind], [p for p, _ in pairs], [r for _, r in pairs],
            {"bleu": {"language": self.language}},
        )  # fmt: skip

    def baseline(self, train: Sequence[Example], examples: Sequence[Example]) -> Baseline:
        """The source copied (translation), its first sentences (summarization), or the most
        frequent training answer (text-to-text)."""
        contents = [one.content for one in examples]
        learnt = [one.content.targets[0] for one in train]
        if self.kind == "translation":
            return Baseline("copy", "the source as it is", [one.source for one in contents])
        if self.kind == "text-to-text":
            return most_frequent(learnt, len(examples))
        count = max(1, round(mean_sentences(learnt)))
        how = "the first sentence" if count == 1 else f"the first {count} sentences"
        return Baseline(
            f"lead-{count}", f"{how} of the source, as many as the mean training summary has",
            [lead_sentences(one.sentences or one.source, count, self.joiner) for one in contents],
        )  # fmt: skip
