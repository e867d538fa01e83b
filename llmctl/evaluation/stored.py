"""Results that were written earlier: read again, and held to be comparable or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import files
from llmctl.errors import DataError, InputMissing
from llmctl.evaluation.outcome import Outcome, signature_text
from llmctl.evaluation.paired_tests import NotComparable
from llmctl.evaluation.results import PREDICTIONS_NAME, RESULTS_NAME, SCHEMA

_UNSEEN = object()


@dataclass(frozen=True)
class StoredResult:
    """A results.json, of this schema or an older one."""

    path: Path
    content: Mapping[str, Any]

    @property
    def task(self) -> str:
        return str(self.content["task"])

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = self.content["metrics"]
        return found

    @property
    def data_sha256(self) -> str | None:
        found: str | None = self.content["data"].get("sha256")
        return found

    @property
    def decoding(self) -> Mapping[str, Any]:
        return self.content.get("decoding") or {}

    @property
    def measures(self) -> Mapping[str, Mapping[str, Any]]:
        """How numbers follow from the examples; none of a result that kept no examples."""
        return (self.content.get("examples") or {}).get("measures") or {}

    def value(self, name: str) -> float:
        """
        Raises:
            NotComparable: there is no such number, or it is null.
        """
        if name not in self.metrics:
            raise NotComparable(f"{self.path} has no such number; it has {', '.join(self.metrics)}")
        value = self.metrics[name]["value"]
        if value is None:
            raise NotComparable(f"it is null in {self.path}: {self.metrics[name]['null_reason']}")
        return float(value)

    def signature(self, name: str) -> str:
        """What a number depends on: its own signature, or the evaluation's."""
        return str(self.metrics[name].get("signature") or self.content["signature"])

    def rows(self) -> list[dict[str, Any]]:
        """What was found for each example.

        Raises:
            NotComparable: examples were not kept, or the file of them is not there.
            DataError: it was changed.
        """
        kept = self.content.get("examples")
        if not kept:
            raise NotComparable(f"{self.path} keeps no examples to pair with")
        if "rows" in self.content:
            within: list[dict[str, Any]] = self.content["rows"]
            return within
        path = self.path.parent / PREDICTIONS_NAME
        if not path.is_file():
            raise NotComparable(f"{path}, the examples of {self.path}, is missing")
        if files.sha256_file(path) != kept["sha256"]:
            raise DataError(
                f"{path} was changed after {self.path} was written, or belongs to another one",
                hint="score the predictions again",
            )
        return files.read_json_lines(path)


def results_path(name: Path) -> Path:
    """The results.json that a person means by a file or its folder.

    >>> results_path(Path("reports/a")), results_path(Path("base.json"))
    (PosixPath('reports/a/results.json'), PosixPath('base.json'))
    """
    return name if name.suffix == ".json" and not name.is_dir() else name / RESULTS_NAME


def read_result(name: Path) -> StoredResult:
    """
    Raises:
        InputMissing: there is no such file.
        DataError: it is not the result of an evaluation, or of a later llmctl.
    """
    path = results_path(name)
    if not path.exists():
        raise InputMissing(f"{path} does not exist; the results.json of an evaluation was expected")
    content = files.read_json(path)
    if not isinstance(content, dict) or content.get("kind") != "evaluation":
        raise DataError(
            f"{path} is not the result of an evaluation",
            hint="llmctl score or llmctl eval with -o FOLDER writes one",
        )
    if content.get("schema", 0) > SCHEMA:
        raise DataError(
            f"{path} has schema {content['schema']}; this llmctl reads results up to {SCHEMA}",
            hint="pip install --upgrade llmctl",
        )
    missing = [key for key in ("task", "metrics", "signature", "data") if key not in content]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}: it was cut or changed")
    return StoredResult(path, content)


def check_same_conditions(stored: StoredResult, task: str, outcome: Outcome, name: str) -> None:
    """
    Raises:
        NotComparable: a number of `outcome` was not made as the stored one was, and on the same
            examples.
    """
    stored.value(name)
    metric = outcome.metric(name)
    assert metric is not None
    now = metric.signature or signature_text(task, outcome.signature)
    check_signatures(stored.signature(name), now, str(stored.path), "now")
    check_data(stored, outcome.data.get("sha256"))
    count = stored.metrics[name].get("n")
    if count is not None and metric.n is not None and count != metric.n:
        raise NotComparable(f"{stored.path} was measured on {count:,} examples, not {metric.n:,}")
    changed = different_parts(stored.decoding, outcome.decoding)
    if stored.decoding and outcome.decoding and changed:
        raise NotComparable(f"predictions were decoded otherwise ({_said(changed, 'then', 'now')})")


def check_signatures(first: str, second: str, in_first: str, in_second: str) -> None:
    """
    Raises:
        NotComparable: they differ; the text names the parts that do.
    """
    if first == second:
        return
    changed = different_parts(_parts(first), _parts(second))
    raise NotComparable(f"signatures differ ({_said(changed, f'in {in_first}', in_second)})")


def check_data(stored: StoredResult, sha256: str | None) -> None:
    """
    Raises:
        NotComparable: it was measured on other examples.
    """
    if stored.data_sha256 is None or stored.data_sha256 != sha256:
        one, other = (str(value)[:8] for value in (stored.data_sha256, sha256))
        raise NotComparable(f"{stored.path} was measured on other data ({one} there, {other} here)")


def different_parts(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """What differs between two descriptions; None stands for what one does not say.

    >>> different_parts({"tok": "zh", "case": "lc"}, {"tok": "13a", "case": "lc"})
    {'tok': ('zh', '13a')}
    """
    return {
        name: (first.get(name), second.get(name))
        for name in dict.fromkeys([*first, *second])
        if first.get(name, _UNSEEN) != second.get(name, _UNSEEN)
    }


def same_number(one: float, other: float) -> bool:
    """Equal but for the order in which examples were added up."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _parts(signature: str) -> dict[str, str]:
    """
    >>> _parts("bleu|tok:zh")
    {'': 'bleu', 'tok': 'zh'}
    """
    first, *rest = signature.split("|")
    return {"": first, **dict(part.partition(":")[::2] for part in rest)}


def _said(changed: Mapping[str, tuple[Any, Any]], in_first: str, in_second: str) -> str:
    return "; ".join(
        f"{name}{':' if name else ''}{one} {in_first}, {other} {in_second}"
        for name, (one, other) in changed.items()
    )
