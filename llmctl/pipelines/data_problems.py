"""Problems in the content of labelled rows: found before training, by place and with a policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.data.labelled_settings import Policy
from llmctl.errors import DataError, UsageError
from llmctl.pipelines.labelled_data import Examples
from llmctl.registry import nearest
from llmctl.tasks.base import Example, Problem, Task

_SHOWN = 5
_OVERLAP = "overlap"
USUAL_POLICIES: Mapping[str, Policy] = {
    "unknown_label": "refuse", "answer_missing": "drop", "answer_offset": "mend",
    "illegal_tags": "mend", "empty_answer": "drop",
}  # fmt: skip
"""What is done about a kind of problem unless the recipe says otherwise; about others: keep."""


@dataclass(frozen=True)
class Found:
    """One problem of one part."""

    part: str
    problem: Problem
    place: str
    policy: Policy

    def as_json(self) -> dict[str, Any]:
        return {
            "part": self.part, "kind": self.problem.kind, "place": self.place,
            "problem": self.problem.text, "policy": self.policy,
        }  # fmt: skip


def settle_problems(
    task: Task, examples: Examples, policies: Mapping[str, Policy], listing: Path
) -> Examples:
    """The examples with every problem dealt with by its policy; what was found goes to `listing`.

    Raises:
        DataError: a problem whose policy is to refuse.
        UsageError: a policy for a kind that this task does not know.
    """
    _check_kinds(task, policies)
    found: list[Found] = []
    settled: dict[str, list[Example]] = {}
    for part in ("train", "validation", "test"):
        own: list[Example] = getattr(examples, part)
        settled[part], problems = _settled(task, part, own, policies)
        found += problems
    found += _overlaps(task, settled, policies)
    settled["train"] = _applied(settled["train"], [f for f in found if f.problem.kind == _OVERLAP])
    _report(found, listing)
    if not settled["train"]:
        raise DataError(
            "no training row is left after problems were dropped", hint=f"see {listing}"
        )
    return Examples(**settled)


def settle_measured(task: Task, examples: list[Example]) -> list[Example]:
    """The same for rows that are only measured, by the usual policies.

    Raises:
        DataError: a problem whose policy is to refuse.
    """
    settled, found = _settled(task, "test", examples, {})
    _report(found, None)
    return settled


def _settled(
    task: Task, part: str, examples: list[Example], policies: Mapping[str, Policy]
) -> tuple[list[Example], list[Found]]:
    if not examples:
        return examples, []
    found = [_with_policy(part, p, examples, policies) for p in task.problems(examples)]
    found = [problem for problem in found if _counts(problem)]
    return _applied(examples, found), found


def _check_kinds(task: Task, policies: Mapping[str, Policy]) -> None:
    known = [*task.problem_kinds, _OVERLAP]
    for kind in policies:
        if kind not in known:
            close = nearest(kind, known)
            raise UsageError(
                f"data.problems.{kind}: {task.name} knows no such problem; it knows "
                f"{', '.join(known)}",
                hint=f"did you mean {close!r}?" if close else None,
            )


def _with_policy(
    part: str, problem: Problem, examples: Sequence[Example], policies: Mapping[str, Policy]
) -> Found:
    policy = policies.get(problem.kind, USUAL_POLICIES.get(problem.kind, "keep"))
    if policy == "mend" and problem.mended is None:
        policy = "drop" if problem.example is not None else "keep"
    place = part if problem.example is None else examples[problem.example].place
    return Found(part, problem, place, policy)


def _counts(found: Found) -> bool:
    """A label that a held-out part lacks is no mistake of anybody's."""
    return not (found.problem.example is None and found.part != "train")


def _applied(examples: list[Example], found: Sequence[Found]) -> list[Example]:
    dropped = {f.problem.example for f in found if f.policy == "drop"}
    mended = {f.problem.example: f.problem.mended for f in found if f.policy == "mend"}
    return [
        replace(one, content=mended[number]) if number in mended else one
        for number, one in enumerate(examples)
        if number not in dropped
    ]


def _overlaps(
    task: Task, parts: Mapping[str, Sequence[Example]], policies: Mapping[str, Policy]
) -> list[Found]:
    """Training inputs that are measured on too: what is measured there is memory."""
    held_out = {
        task.identity(one): one.place for part in ("validation", "test") for one in parts[part]
    }
    policy = policies.get(_OVERLAP, "keep")
    found = []
    for number, one in enumerate(parts["train"]):
        elsewhere = held_out.get(task.identity(one))
        if elsewhere is not None:
            problem = Problem(_OVERLAP, number, f"the same input is measured on at {elsewhere}")
            found.append(Found("train", problem, one.place, policy))
    return found


def _report(found: Sequence[Found], listing: Path | None) -> None:
    """Write all of them down, warn of each kind, and refuse where that is the policy."""
    if not found:
        return
    if listing is not None:
        files.write_json_lines(listing, [one.as_json() for one in found])
    refused = [one for one in found if one.policy == "refuse"]
    if refused:
        shown = "".join(f"\n  {one.place}: {one.problem.text}" for one in refused[:_SHOWN])
        more = f"\n  and {len(refused) - _SHOWN:,} more" if len(refused) > _SHOWN else ""
        kind = refused[0].problem.kind
        raise DataError(
            f"{len(refused):,} problem{'s' if len(refused) > 1 else ''} in the data{shown}{more}",
            hint=f"mend the rows, or leave them out: data.problems.{kind}=drop; all: {listing}"
            if listing is not None
            else "mend the rows, or leave them out",
        )
    for (kind, policy), count in Counter((f.problem.kind, f.policy) for f in found).items():
        first = next(one for one in found if (one.problem.kind, one.policy) == (kind, policy))
        done = {"drop": "left out", "mend": "mended", "keep": "kept"}[policy]
        what = kind.replace("_", " ")
        rows = "row" if count == 1 else "rows"
        console.warn(
            f"{what}: {count:,} {rows} {done}; the first at {first.place}: {first.problem.text}"
        )
