"""The first half of finetuning: examples read and looked through, a settled task, features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import console
from llmctl.data.inputs import STANDARD_INPUT
from llmctl.errors import DataError, UsageError
from llmctl.pipelines.data_problems import settle_problems
from llmctl.pipelines.finetune_source import find_source
from llmctl.pipelines.finetune_tokenizer import make_tokenizer
from llmctl.pipelines.fingerprints import fingerprint
from llmctl.pipelines.labelled_data import read_parts
from llmctl.pipelines.run_folder import RunRecord, check_same_data
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.tasks.base import Encoded, Example, Feature, Task
from llmctl.tasks.model_traits import ModelTraits
from llmctl.tokenization.load import Vocabulary, load_tokenizer, vocabulary_of
from llmctl.training.processes import Processes

_BAD_ROWS, _PROBLEMS = "bad_rows.jsonl", "problems.jsonl"


@dataclass(frozen=True)
class Part:
    """The examples of training, validation or test, and their features."""

    examples: list[Example]
    features: list[Feature]

    @property
    def num_tokens(self) -> int:
        return sum(len(feature) for feature in self.features)


@dataclass(frozen=True)
class FinetuneInputs:
    """What is trained and measured on.

    Attributes:
        task: the recipe's, with what it left open settled.
        head: the head that the model gets.
        validation, test: None where there are none.
    """

    task: Task
    head: str
    tokenizer_folder: Path
    tokenizer: Any
    vocabulary: Vocabulary
    train: Part
    validation: Part | None
    test: Part | None


def prepare_finetuning(
    recipe: FinetuneRecipe, folder: Path, processes: Processes, record: RunRecord
) -> FinetuneInputs:
    """Read, settle and encode; every process does so for itself, from the same files.

    Raises:
        SettingsMismatch: a source file has changed since the run began.
        DataError: rows that cannot be learnt from.
    """
    source = find_source(recipe)
    tokenizer_folder, data_folder = folder / "tokenizer", folder / "data"

    def check_sources() -> None:
        names = [*recipe.data.train, *recipe.data.validation, *recipe.data.test]
        if STANDARD_INPUT in names:
            raise UsageError(
                "finetuning reads its rows again when it resumes, which standard input cannot be",
                hint="save them to a file",
            )
        found = fingerprint(names)
        check_same_data(record, found)
        record.update(data={"sources": found})

    processes.on_main(check_sources)
    listing = data_folder if processes.is_main else data_folder / f"process-{processes.rank}"
    examples, reports = read_parts(recipe.task, recipe.data, recipe.seed, listing / _BAD_ROWS)
    task = recipe.task.settle(examples.train).for_model(source.traits)
    task = task.model_copy(update={"max_length": _row_length(task, source.traits)})
    settled = settle_problems(task, examples, recipe.data.problems, listing / _PROBLEMS)
    processes.on_main(lambda: make_tokenizer(recipe, task, settled.train, source, tokenizer_folder))
    tokenizer = load_tokenizer(str(tokenizer_folder))
    task = task.for_tokenizer(tokenizer)
    train = _encoded(task, settled.train, tokenizer, recipe.data.max_without_targets, "training")
    inputs = FinetuneInputs(
        task, source.head, tokenizer_folder, tokenizer, vocabulary_of(tokenizer), train,
        *(
            _encoded(task, part, tokenizer, 1.0, name) if part else None
            for name, part in (("validation", settled.validation), ("test", settled.test))
        ),
    )  # fmt: skip
    counts = {part: [file.as_record() for file in report.files] for part, report in reports.items()}
    record.update(
        task=task.model_dump(mode="json"),
        tokenizer={"sha256": inputs.vocabulary.sha256, "size": inputs.vocabulary.size},
        data=record.content.get("data", {}) | {"read": counts, **_summary(inputs)},
    )
    return inputs


def _row_length(task: Task, traits: ModelTraits) -> int:
    """Tokens of a row: as the recipe says, else the task's usual or what the model can take.

    Raises:
        UsageError: longer than the model has positions.
    """
    if task.max_length is None:
        return min(traits.longest_row or task.usual_length, task.usual_length)
    if traits.longest_row is not None and task.max_length > traits.longest_row:
        raise UsageError(
            f"task.max_length is {task.max_length}, but the model has {traits.longest_row} "
            "positions",
            hint=f"task.max_length={traits.longest_row}",
        )
    return task.max_length


def _encoded(
    task: Task, examples: Sequence[Example], tokenizer: Any, limit: float, name: str
) -> Part:
    """
    Raises:
        DataError: more rows than allowed have lost their answers.
    """
    encoded: Encoded = task.encode(examples, tokenizer, labelled=True)
    total = len(examples)
    if encoded.truncated:
        console.note(
            f"{encoded.truncated:,} of {total:,} {name} rows are longer than {task.max_length} "
            "tokens and were cut (task.max_length)"
        )
    if encoded.counts:
        counts = ", ".join(f"{count:,} {what}" for what, count in encoded.counts.items() if count)
        console.note(f"{name}: {counts}")
    lost = encoded.without_targets
    if lost > limit * total:
        raise DataError(
            f"{lost:,} of {total:,} {name} rows are so long that their answers are cut away",
            hint=f"task.max_length above {task.max_length}, or allow them: "
            f"data.max_without_targets={min(1.0, lost / total + 0.001):.3f}",
        )
    if lost:
        console.warn(f"{lost:,} {name} rows are left out: their answers are cut away")
    if not encoded.features:
        raise DataError(f"no {name} row is left after encoding")
    return Part(list(examples), encoded.features)


def _summary(inputs: FinetuneInputs) -> dict[str, Any]:
    """What run.json says of each part."""
    parts = {"train": inputs.train, "validation": inputs.validation, "test": inputs.test}
    return {
        name: None if part is None else {
            "rows": len(part.examples), "features": len(part.features), "tokens": part.num_tokens,
        }
        for name, part in parts.items()
    }  # fmt: skip
