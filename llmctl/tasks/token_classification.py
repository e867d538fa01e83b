"""Token classification: a tag for every word, such as named entities, parts of speech or chunks.

A linear layer on the first token of each word (Devlin et al. 2019, section 5.3).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from llmctl.errors import DataError
from llmctl.metrics.base import Measured
from llmctl.section import Names
from llmctl.tasks import token_classification_rows as rows
from llmctl.tasks.base import Arrays, Baseline, Decode, Encoded, Example, Feature, Problem, Task
from llmctl.tasks.class_weights import ClassWeights, weights_of
from llmctl.tasks.tag_schemes import OUTSIDE, entities_of, find_scheme, join_tag, split_tag
from llmctl.tasks.tag_schemes import write_tags as write
from llmctl.tasks.text_words import joined
from llmctl.tasks.token_classification_problems import problems_of

if TYPE_CHECKING:
    import torch

    from llmctl.metrics.class_counts import ClassScore

_LETTERS = {"IOB2": "BI", "BIOES": "BIES"}


class TokenClassification(Task):
    """Settings of token classification."""

    name: Literal["token-classification"] = "token-classification"
    heads: ClassVar[tuple[str, ...]] = ("token-classification",)
    file_format: ClassVar[str | None] = "conll"
    problem_kinds: ClassVar[tuple[str, ...]] = (
        "illegal_tags", "unknown_label", "uneven_span", "overlapping_spans", "empty_class",
        "no_entity",
    )  # fmt: skip

    token_column: int = Field(1, ge=1, description="Column of the words in CoNLL files, from 1")
    tag_column: int | None = Field(
        None, ge=1, description="Column of the tags in CoNLL files, from 1; none: the last"
    )
    tokens: str = Field("tokens", description="Column of a list of words")
    tags: str = Field("tags", description="Column of a list of tags, or of their numbers")
    text: str = Field("text", description="Column of a text, where rows have no list of words")
    spans: str = Field("spans", description="Column of the marked places of that text")
    span_keys: tuple[str, str, str] = Field(
        ("start", "end", "label"),
        description="Keys of a marked place: its first character, the one after its last, and its "
        "label",
    )
    scheme: Literal["auto", "none", "IOB1", "IOB2", "BIOES"] = Field(
        "auto",
        description="How tags make entities: IOB1, IOB2 (BIO), BIOES (BILOU, BMES); none: each tag "
        "stands alone, as parts of speech do; auto: what the training tags look like",
    )
    train_scheme: Literal["IOB2", "BIOES"] = Field(
        "IOB2", description="The scheme of the tags that the model learns and gives"
    )
    labels: Names | None = Field(
        None,
        description="All tags, in the order of their numbers where rows have numbers; none: those "
        "of the training data",
    )
    tag_names: list[str] | None = Field(
        None, description="Settled from labels: what the numbers in rows mean"
    )
    all_pieces: bool = Field(
        False, description="Train on all tokens of a word; otherwise on its first one"
    )
    stride: int = Field(
        64, ge=0, description="Tokens that the windows of a row longer than max_length share"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each target spread over all labels"
    )
    class_weights: ClassWeights | None = Field(
        None,
        description="What a label's words count in the loss: balanced (all labels alike), or a "
        "number for each",
    )
    weights: list[float] | None = Field(
        None, description="Settled from class_weights: a weight for each label"
    )

    @property
    def main_metric(self) -> str:  # type: ignore[override]
        return "tag_accuracy" if self.scheme == "none" else "seqeval_f1"

    def text_column(self) -> str | None:
        return self.text

    # Rows -------------------------------------------------------------------------------------

    def example(self, row: Mapping[str, Any], *, labelled: bool = True) -> rows.TaggedWords:
        """A row of a CoNLL file, with lists of words and tags, or with a text and marked places.

        >>> TokenClassification().example({"tokens": ["In", "Oslo"], "tags": ["O", "B-LOC"]}).words
        ('In', 'Oslo')
        """
        if "columns" in row and self.tokens not in row:
            return rows.from_columns(row, self.token_column, self.tag_column, labelled)
        if self.text in row and self.tokens not in row:
            return rows.from_spans(row, self.text, self.spans, self.span_keys, labelled)
        names = self.tag_names or self.labels
        return rows.from_lists(row, self.tokens, self.tags, names, labelled)

    def settle(self, examples: Sequence[Example]) -> Self:
        sentences = [one.content.tags or () for one in examples]
        scheme = find_scheme(sentences) if self.scheme == "auto" else self.scheme
        known = self.model_copy(
            update={"scheme": scheme, "tag_names": self.tag_names or self.labels}
        )
        labels = known._all_labels(sentences)
        if len(labels) < 2:
            raise DataError(
                f"the training data has {len(labels)} tag{'' if len(labels) == 1 else 's'} "
                f"({', '.join(labels) or 'none'}); at least two were expected",
                hint="task.tag_column=3 (in CoNLL files) or task.tags=NAME chooses another column",
            )
        settled = known.model_copy(update={"labels": labels})
        counts = Counter(tag for one in examples for tag in settled._in_training(one))
        weights = weights_of(self.class_weights, labels, counts)
        return settled.model_copy(update={"weights": weights})

    def _all_labels(self, sentences: Sequence[Sequence[str]]) -> list[str]:
        if self.scheme == "none":
            return self.labels or sorted({tag for tags in sentences for tag in tags})
        letters = _LETTERS[self.train_scheme]
        if self.labels is None:
            types = sorted({entity.type for tags in sentences for entity in entities_of(tags)})
        else:
            named = [tag for tag in self.labels if tag != OUTSIDE]
            untyped = all(split_tag(tag) == (tag, "") for tag in named)
            types = [""] if untyped else list(dict.fromkeys(split_tag(t)[1] or t for t in named))
            if all("-" in tag and tag[0] in letters for tag in named):
                return self.labels + [
                    tag for tag in _tags(types, letters) if tag not in self.labels
                ]
        return _tags(types, letters)

    def _in_training(self, example: Example) -> list[str]:
        """Its tags as the model learns them."""
        tags = list(example.content.tags or ())
        if self.scheme == "none" or self.scheme == self.train_scheme:
            return tags
        return write(entities_of(tags), len(tags), self.train_scheme)

    def problems(self, examples: Sequence[Example]) -> Iterator[Problem]:
        assert self.labels is not None
        assert self.scheme != "auto"
        return problems_of(examples, self.labels, self.scheme)

    def identity(self, example: Example) -> str:
        return "\t".join(example.content.words)

    def show(self, example: Example) -> list[tuple[str, str]]:
        content: rows.TaggedWords = example.content
        text = content.text if content.text is not None else joined(content.words)[0]
        if content.tags is None:
            return [("text", text)]
        pairs = zip(content.words, self._in_training(example), strict=True)
        return [("text", text), ("tags", " ".join(f"{word}/{tag}" for word, tag in pairs))]

    def show_feature(self, feature: Feature, decode: Decode) -> list[tuple[str, str]]:
        shown = super().show_feature(feature, decode)
        if "labels" not in feature.arrays:
            return shown
        pairs = zip(feature.arrays["input_ids"], feature.arrays["labels"], strict=True)
        assert self.labels is not None
        targets = [f"{decode([int(i)]).strip()}/{self.labels[n]}" for i, n in pairs if n >= 0]
        return [*shown, ("targets", " ".join(targets))]

    # Features ---------------------------------------------------------------------------------

    def model_options(self) -> dict[str, Any]:
        assert self.labels is not None
        return {
            "num_labels": len(self.labels),
            "id2label": dict(enumerate(self.labels)),
            "label2id": {name: number for number, name in enumerate(self.labels)},
        }

    def encode(self, examples: Sequence[Example], tokenizer: Any, *, labelled: bool) -> Encoded:
        from llmctl.tasks.token_classification_features import encode_words

        assert self.max_length is not None
        assert self.labels is not None
        tags = [self._in_training(one) for one in examples] if labelled else None
        return encode_words(
            [one.content for one in examples], tags, self.labels, tokenizer, self.max_length,
            self.stride, all_pieces=self.all_pieces,
        )  # fmt: skip

    # The model --------------------------------------------------------------------------------

    def outputs(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"logits": model(**{k: v for k, v in batch.items() if k != "labels"})}

    def loss(
        self, outputs: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Cross-entropy, one target a word (or a token, with `all_pieces`)."""
        import torch

        logits = outputs["logits"].float()
        weights = None if self.weights is None else logits.new_tensor(self.weights)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch["labels"].flatten(), weight=weights, ignore_index=-100,
            reduction="sum", label_smoothing=self.label_smoothing,
        )[None]  # fmt: skip

    # Predictions ------------------------------------------------------------------------------

    def predictions(
        self, examples: Sequence[Example], features: Sequence[Feature], outputs: Sequence[Arrays]
    ) -> list[dict[str, Any]]:
        """`prediction`, a tag for each word; `entities` with their words (`start_word` to
        `end_word`, which is not in them), their characters (`start`, `end`) where the row has a
        text, and as `score` the mean probability of their tags; without a scheme, `scores`."""
        from llmctl.tasks.token_classification_features import answers

        assert self.labels is not None
        return answers(
            [one.content for one in examples], features, outputs, self.labels,
            entities=self.scheme != "none",
        )  # fmt: skip

    def measure(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Measured]:
        """Entities as conlleval counts them and strictly by scheme; without a scheme, tags."""
        from llmctl.metrics.tagging import seqeval, tags

        said, true = [one["prediction"] for one in predictions], self._references(examples)
        if self.scheme == "none":
            return [tags(said, true)]
        scheme: Any = {"IOB2": "iob2", "BIOES": "iobes"}[self.train_scheme]
        strict = seqeval(said, true, mode="strict", scheme=scheme)
        return [seqeval(said, true), _renamed(strict, "seqeval_", "seqeval_strict_")]

    def by_type(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[ClassScore]:
        """Precision, recall, F1 and number of each type of entity."""
        from llmctl.metrics.tagging import per_type

        return per_type([one["prediction"] for one in predictions], self._references(examples))

    def _references(self, examples: Sequence[Example]) -> list[list[str]]:
        if self.scheme == "none":
            return [self._in_training(one) for one in examples]
        # What is no tag of a scheme has been reported; it cannot be an entity.
        return [
            [tag if split_tag(tag)[0] != OUTSIDE else OUTSIDE for tag in self._in_training(one)]
            for one in examples
        ]

    def baseline(self, train: Sequence[Example], examples: Sequence[Example]) -> Baseline:
        by_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for one in train:
            for word, tag in zip(one.content.words, self._in_training(one), strict=True):
                by_word[word][tag] += 1
        usual = sum(by_word.values(), Counter()).most_common(1)[0][0]
        best = {word: counts.most_common(1)[0][0] for word, counts in by_word.items()}
        return Baseline(
            "most frequent tag", f"each word's most frequent training tag; {usual} for new words",
            [[best.get(word, usual) for word in one.content.words] for one in examples],
        )  # fmt: skip


def _tags(types: Sequence[str], letters: str) -> list[str]:
    return [OUTSIDE, *(join_tag(letter, kind) for kind in types for letter in letters)]


def _renamed(measured: Measured, prefix: str, other: str) -> Measured:
    return replace(
        measured,
        numbers=tuple(
            replace(number, name=number.name.replace(prefix, other)) for number in measured.numbers
        ),
        null_reasons={
            name.replace(prefix, other): reason for name, reason in measured.null_reasons.items()
        },
    )
