"""Text classification: one label, several labels, or a number, for a text or a pair of texts.

A linear layer on the first token's representation (Devlin et al. 2019, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from llmctl.errors import DataError
from llmctl.metrics.base import Measured
from llmctl.section import Names
from llmctl.tasks.base import Arrays, Baseline, Encoded, Example, Feature, Problem, Task
from llmctl.tasks.columns import number_in, text_in
from llmctl.tasks.encoding import encode_texts
from llmctl.tasks.text_labels import (
    Kind,
    LabelledText,
    in_order,
    kind_of_labels,
    label_problems,
    label_weights,
    labels_of,
    word_of,
)

if TYPE_CHECKING:
    import torch

_MODEL_KINDS = {
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}
_MOST_CLASSES_OF_NUMBERS = 20


class TextClassification(Task):
    """Settings of text classification and regression."""

    name: Literal["text-classification"] = "text-classification"
    heads: ClassVar[tuple[str, ...]] = ("sequence-classification",)
    problem_kinds: ClassVar[tuple[str, ...]] = ("unknown_label", "empty_class", "no_label")

    text: str = Field("text", description="Column of the text; a number where there is no header")
    text_pair: str | None = Field(None, description="Column of a second text, for pairs")
    label: str = Field(
        "label", description="Column of the label; a number where there is no header"
    )
    kind: Kind | None = Field(
        None,
        description="single: one label of several; multi: any number of labels; regression: a "
        "number. None: multi where rows hold lists, else single",
    )
    labels: Names | None = Field(
        None, description="All labels, in the model's order; none: those of the training data"
    )
    separator: str | None = Field(
        None, description="What stands between the labels of a text in one column: `,` or `|`"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each target spread over all labels (single only)"
    )
    class_weights: Literal["balanced"] | dict[str, float] | None = Field(
        None,
        description="What a label's rows count in the loss: balanced (all labels alike), or a "
        "number for each; single only",
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Probability from which a label is given (multi only)"
    )
    weights: list[float] | None = Field(
        None, description="Settled from class_weights: a weight for each label"
    )

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind in ("multi", "regression") and (self.label_smoothing or self.class_weights):
            raise ValueError("label_smoothing and class_weights go with task.kind=single")
        if self.kind == "regression" and self.labels is not None:
            raise ValueError("labels go with classes; a regression has none")
        return self

    @property
    def main_metric(self) -> str:  # type: ignore[override]
        if self.kind == "multi":
            return "multi_label_f1_micro"
        return "spearman" if self.kind == "regression" else "accuracy"

    def text_column(self) -> str | None:
        return self.text

    # Rows -------------------------------------------------------------------------------------

    def example(self, row: Mapping[str, Any], *, labelled: bool = True) -> LabelledText:
        """
        >>> TextClassification().example({"text": "Good.", "label": 1})
        LabelledText(text='Good.', pair=None, label='1')
        """
        text = text_in(row, self.text)
        pair = text_in(row, self.text_pair) if self.text_pair is not None else None
        if not labelled and row.get(self.label) in (None, ""):
            return LabelledText(text, pair, None)
        return LabelledText(text, pair, self._label(row))

    def _label(self, row: Mapping[str, Any]) -> str | tuple[str, ...] | float:
        if self.kind == "regression":
            return number_in(row, self.label)
        value = row.get(self.label)
        if isinstance(value, str) and self.separator is not None:
            value = [part.strip() for part in value.split(self.separator) if part.strip()]
        if isinstance(value, list) and self.kind != "single":
            return tuple(sorted({word_of(part, self.label) for part in value}))
        word = word_of(value, self.label)
        return (word,) if self.kind == "multi" else word

    def settle(self, examples: Sequence[Example]) -> Self:
        kind = self.kind or kind_of_labels(examples)
        if kind == "regression":
            return self.model_copy(update={"kind": kind})
        labels = self.labels or in_order({label for one in examples for label in labels_of(one)})
        if len(labels) < (1 if kind == "multi" else 2):
            raise DataError(
                f"column {self.label!r} of the training data holds {len(labels)} label"
                f"{'' if len(labels) == 1 else 's'} ({', '.join(labels) or 'none'}); at least two "
                "were expected",
                hint="task.label=COLUMN names another column",
            )
        settled = self.model_copy(update={"kind": kind, "labels": labels})
        return settled.model_copy(
            update={"weights": label_weights(self.class_weights, labels, examples)}
        )

    def problems(self, examples: Sequence[Example]) -> Iterator[Problem]:
        return label_problems(self.labels or [], examples)

    def identity(self, example: Example) -> str:
        content: LabelledText = example.content
        return f"{content.text}\n{content.pair or ''}"

    def show(self, example: Example) -> list[tuple[str, str]]:
        content: LabelledText = example.content
        pair = [("second text", content.pair)] if content.pair is not None else []
        label = content.label
        shown = ", ".join(label) if isinstance(label, tuple) else str(label)
        return [("text", content.text), *pair, ("label", shown)]

    # Features ---------------------------------------------------------------------------------

    def model_options(self) -> dict[str, Any]:
        assert self.kind is not None
        names = self.labels or [self.label]
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
            "problem_type": _MODEL_KINDS[self.kind],
        }

    def encode(self, examples: Sequence[Example], tokenizer: Any, *, labelled: bool) -> Encoded:
        assert self.max_length is not None
        texts = [one.content.text for one in examples]
        pairs = [one.content.pair for one in examples] if self.text_pair is not None else None
        arrays, cut = encode_texts(tokenizer, texts, pairs, self.max_length)
        features = []
        for number, (own, example) in enumerate(zip(arrays, examples, strict=True)):
            if labelled:
                own["labels"] = self._target(example.content.label)
            features.append(Feature((number,), own))
        return Encoded(features, truncated=sum(cut))

    @property
    def fixed(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"labels"})

    def _target(self, label: Any) -> Any:
        if self.kind == "regression":
            return np.asarray(label, dtype=np.float32)
        assert self.labels is not None
        if self.kind == "single":
            return np.asarray(self.labels.index(label), dtype=np.int64)
        return np.asarray([name in label for name in self.labels], dtype=np.float32)

    # The model --------------------------------------------------------------------------------

    def outputs(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"logits": model(**{k: v for k, v in batch.items() if k != "labels"})}

    def loss(
        self, outputs: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Cross-entropy, or its yes-or-no form summed over labels and divided by their number, or
        squared error; one target a row."""
        import torch

        logits, labels = outputs["logits"].float(), batch["labels"]
        functional = torch.nn.functional
        if self.kind == "regression":
            return ((logits[:, 0] - labels) ** 2).sum()[None]
        if self.kind == "multi":
            found = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
            return found.mean(1).sum()[None]
        weights = None if self.weights is None else logits.new_tensor(self.weights)
        return functional.cross_entropy(
            logits, labels, weight=weights, reduction="sum", label_smoothing=self.label_smoothing
        )[None]

    # Predictions ------------------------------------------------------------------------------

    def predictions(
        self,
        examples: Sequence[Example],  # noqa: ARG002
        features: Sequence[Feature],  # noqa: ARG002
        outputs: Sequence[Arrays],
    ) -> list[dict[str, Any]]:
        return [self._answer(found["logits"].astype(np.float64)) for found in outputs]

    def _answer(self, logits: Any) -> dict[str, Any]:
        if self.kind == "regression":
            return {"prediction": float(logits[0])}
        assert self.labels is not None
        if self.kind == "multi":
            chances = 1 / (1 + np.exp(-logits))
            given = [
                name for name, p in zip(self.labels, chances, strict=True) if p >= self.threshold
            ]
            return {"prediction": given, "probabilities": self._named(chances)}
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        best = self.labels[int(chances.argmax())]
        return {"prediction": best, "probabilities": self._named(chances)}

    def _named(self, chances: Any) -> dict[str, float]:
        assert self.labels is not None
        return {name: float(p) for name, p in zip(self.labels, chances, strict=True)}

    def measure(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Measured]:
        from llmctl.tasks.classification_metrics import measure

        assert self.kind is not None
        return measure(
            self.kind, self.labels, [one["prediction"] for one in predictions],
            [one.content.label for one in examples],
        )  # fmt: skip

    def baseline(self, train: Sequence[Example], examples: Sequence[Example]) -> Baseline:
        if self.kind == "regression":
            mean = float(np.mean([one.content.label for one in train]))
            return Baseline("mean", "the mean of the training rows", [mean] * len(examples))
        assert self.labels is not None
        counts = [sum(label in labels_of(one) for one in train) for label in self.labels]
        best = self.labels[int(np.argmax(counts))]
        answer: Any = [best] if self.kind == "multi" else best
        return Baseline(
            "most frequent", "the most frequent training label", [answer] * len(examples)
        )
