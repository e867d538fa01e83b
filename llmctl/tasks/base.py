"""What finetuning, prediction and evaluation ask of a task: rows → features → loss → predictions.

A task's fields are its settings in a recipe. Its methods are called in this order: `example` for
each row, `settle` once on the training examples, `problems` on each part, `for_model`, `encode`,
then for every batch `outputs` and `loss`, and `predictions` at the end. It knows nothing of files,
runs, optimizers and processes. Light to import: torch and tokenizers only inside methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray
from pydantic import Field

from llmctl.metrics.base import Measured
from llmctl.section import Section
from llmctl.tasks.model_traits import ModelTraits

if TYPE_CHECKING:
    import torch

Arrays = dict[str, NDArray[Any]]
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Example:
    """One row as a task understands it.

    Attributes:
        path, number: its file, and its line (or place, where there are no lines).
        row: its columns as they were read.
        content: what the task made of them: a small frozen dataclass of its own.
    """

    path: str
    number: int
    row: Mapping[str, Any]
    content: Any

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"


class RowRefused(Exception):
    """One row that the task cannot use; the text says why, without repeating its content."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a row's content that a person should know before training.

    Attributes:
        kind: a word of the recipe section `problems`, such as `unknown_label`.
        example: number of the example within its part; None: of the part as a whole.
        text: what is wrong and what was expected.
        mended: the example's content put right, where the task can.
    """

    kind: str
    example: int | None
    text: str
    mended: Any = None


@dataclass(frozen=True, slots=True)
class Feature:
    """A row of a batch before padding: an example, a window of one, or several packed together.

    Attributes:
        examples: the numbers of the examples that are in it, within their part.
        arrays: what the model and the loss read, by name. The last axis of each is as long as its
            tokens and is padded in a batch, except of scalars [] and of what is named in
            `Task.fixed`. `input_ids` is always there.
        num_targets: of each part of the loss, [K].
        details: what `predictions` needs to find back to the text, such as offsets.
    """

    examples: tuple[int, ...]
    arrays: Arrays
    num_targets: tuple[int, ...] = (1,)
    details: Any = None

    def __len__(self) -> int:
        """Tokens of its longest row."""
        return int(self.arrays["input_ids"].shape[-1])


@dataclass(frozen=True)
class Encoded:
    """The features of a part, and what encoding had to do to it.

    Attributes:
        truncated: examples that were cut at `max_length`.
        without_targets: examples whose targets were all cut away.
        counts: more to report, by what was counted, such as `words without tokens`.
    """

    features: list[Feature]
    truncated: int = 0
    without_targets: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """What a guesser answers that has not read the input."""

    name: str
    how: str
    predictions: list[Any] = field(default_factory=list)


class Task(Section):
    """The base of all tasks. A new one is a file with a subclass, a word in `TASKS`, and a test."""

    name: str
    heads: ClassVar[tuple[str, ...]]
    """The heads (`llmctl.models.heads.HEADS`) that can do it; the first that the model type has is
    taken."""
    file_format: ClassVar[str | None] = None
    """The reader for files whose ending is not known (`llmctl.data.readers.READERS`)."""
    problem_kinds: ClassVar[tuple[str, ...]] = ()
    """The kinds of `Problem` that this task can report."""
    parts: ClassVar[tuple[str, ...]] = ("loss",)
    """Names of the summands of the loss, [K]."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Arrays of features that are not as long as its tokens and must not be padded."""
    usual_length: ClassVar[int] = 512
    """Tokens of a row where `max_length` says nothing and the model can take more."""
    generates: ClassVar[bool] = False
    """Answers are texts that the model writes: `prompt` and `answer` take the place of
    `predictions`, and validation measures the loss alone."""
    main_metric: ClassVar[str]
    """The number that chooses checkpoints, unless the recipe names another; `loss` is one."""

    max_length: int | None = Field(
        None,
        ge=4,
        description="Tokens of a row at most, special ones included; none: what the model can "
        "take, 512 at most (384 for question answering)",
    )

    # Rows -------------------------------------------------------------------------------------

    def text_column(self) -> str | None:
        """The column that decides whether a table has a header: a number says that it has none."""
        return None

    def example(self, row: Mapping[str, Any], *, labelled: bool = True) -> Any:
        """What the task makes of a row.

        Args:
            labelled: the answer must be there; to predict, it may be left out.

        Raises:
            RowRefused: a column is missing or holds something else.
        """
        raise NotImplementedError

    def settle(self, examples: Sequence[Example]) -> Self:  # noqa: ARG002
        """The task with what it leaves open settled by the training examples, such as its labels.

        Raises:
            DataError: they cannot be learnt from, such as a single class.
        """
        return self

    def for_model(self, traits: ModelTraits) -> Self:  # noqa: ARG002
        """The task with what it leaves open settled by the model; called before `encode`.

        Raises:
            UsageError: the model cannot do what the settings ask.
        """
        return self

    def for_tokenizer(self, tokenizer: Any) -> Self:  # noqa: ARG002
        """The same by the tokenizer; called after `for_model`, and before `encode`."""
        return self

    def problems(self, examples: Sequence[Example]) -> Iterable[Problem]:  # noqa: ARG002
        """What is wrong with the content of a part; of a settled task."""
        return ()

    def identity(self, example: Example) -> str:
        """The input of an example without its answer: equal ones are the same question."""
        return repr(example.content)

    def show(self, example: Example) -> list[tuple[str, str]]:
        """One example for a person: titled texts."""
        raise NotImplementedError

    def show_feature(self, feature: Feature, decode: Decode) -> list[tuple[str, str]]:
        """A row as the model reads it, and what it is trained on in it: titled texts.

        Args:
            decode: writes ids as text with special tokens visible.
        """
        return [("reads", decode(feature.arrays["input_ids"].tolist()))]

    # Features ---------------------------------------------------------------------------------

    def model_options(self) -> dict[str, Any]:
        """Values of the model's configuration: number and names of labels."""
        return {}

    def encode(self, examples: Sequence[Example], tokenizer: Any, *, labelled: bool) -> Encoded:
        """The features of examples, in their order; `max_length` is settled."""
        raise NotImplementedError

    def padding(self, tokenizer: Any) -> dict[str, int]:
        """What each array is filled up with; -100 for `labels`, 0 for others not named."""
        return {"input_ids": tokenizer.pad_token_id or 0, "labels": -100}

    # The model --------------------------------------------------------------------------------

    def outputs(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What the model says of a batch, by name; the first axis of each is the features'."""
        raise NotImplementedError

    def loss(
        self, outputs: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """The sum (not the mean) of each part over its targets in a batch: float32, [K]."""
        raise NotImplementedError

    # Predictions ------------------------------------------------------------------------------

    def predictions(
        self, examples: Sequence[Example], features: Sequence[Feature], outputs: Sequence[Arrays]
    ) -> list[dict[str, Any]]:
        """An answer to every example: `prediction`, and scores; plain values that JSON can hold.

        Args:
            outputs: of each feature, without the batch's axis and without its padding's meaning.
        """
        raise NotImplementedError

    def prompt(self, example: Example, tokenizer: Any) -> list[int]:
        """The ids that a model reads before it writes its answer; of a task that generates."""
        raise NotImplementedError

    def answer(self, example: Example, text: str) -> dict[str, Any]:  # noqa: ARG002
        """What a generated text says: `prediction`, and more."""
        return {"prediction": text}

    def end_ids(self, tokenizer: Any) -> list[int]:
        """The tokens at which a written answer ends."""
        raise NotImplementedError

    def template_to_save(self, tokenizer: Any) -> str | None:  # noqa: ARG002
        """The chat template that the model has learnt; None where the tokenizer has it already."""
        return None

    def measure(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Measured]:
        """How good they are, by the task's usual metrics."""
        raise NotImplementedError

    def baseline(self, train: Sequence[Example], examples: Sequence[Example]) -> Baseline | None:  # noqa: ARG002
        """What a guesser answers that has only seen the training answers."""
        return None
