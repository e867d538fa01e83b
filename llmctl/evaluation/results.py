"""The result of an evaluation, and `results.json`, its form for programs.

`results.json` is one JSON object without NaN:

    schema        2; raised when a field changes its meaning
    kind          "evaluation"
    command       "eval" or "score"
    task          name of the task; "score" for saved predictions
    verdict       "passed", "failed" or "undecided"; exit_code 0, 3 or 4 says the same
    signature     one line; two numbers may be compared when their lines are equal
    metrics       {name: {value, unit, higher_is_better, null_reason, interval, range, n,
                  signature}}; value is null where there is no finite number, and null_reason says
                  why; interval is [low, high] at 95 %, or null; range has null for no bound; n
                  counts examples; signature is the number's own, null: that of the evaluation
    yardsticks    {name: {metric, value, how …}}: what a simple guesser reaches on the same tokens,
                  with the size of its training text, and the order of an n-gram model
    gates         [{gate, metric, comparison, threshold, value, verdict, detail}]; one on a drop
                  also has baseline, drop, allowed, and with --significant p, level, method,
                  examples, differing, detectable_drop
    undecided     why no verdict can be given whatever the gates say, or null
    notes         [text]: what a reader should know
    examples      null where they are not kept, else {count, sha256 (of predictions.jsonl),
                  measures: {metric: {numbers, settings}}}: how to measure them again
    rows          only in a baseline that --update-baseline wrote: those of predictions.jsonl
    decoding      how predictions were made, as far as it is known
    model         {path, architecture, parameters, weights_sha256, device, dtype, positions}
    tokenizer     {path, sha256, vocabulary_size}
    data          {sources, sha256, documents, bytes, characters …}; of scored predictions
                  {predictions, sources, sha256 (of the references), examples}
    settings      every setting, as resolved
    environment   {python, platform, llmctl, torch, transformers …}
    created, seconds

Schema 1 had no command, examples and decoding, and of metrics only the first four fields.

`predictions.jsonl` has a row for each example: of scored predictions {prediction, references,
scores} and `probabilities` where a metric took them, a score being the number of that example
alone; of a perplexity {log_likelihood, tokens}.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmctl.errors import LlmctlError
from llmctl.evaluation.gates import Gate, GateResult, Verdict, gate_error, shown_beside
from llmctl.evaluation.outcome import Metric, Outcome, signature_text

SCHEMA = 2
RESULTS_NAME = "results.json"
PREDICTIONS_NAME = "predictions.jsonl"
_PACKAGES = ("llmctl", "torch", "transformers", "tokenizers", "safetensors", "numpy")


@dataclass(frozen=True)
class EvaluationResult:
    """An outcome, the gates held against it, and when, how and where it was made.

    Attributes:
        created: start, ISO 8601 in UTC.
        seconds: wall time.
        command: the word after `llmctl`.
    """

    task: str
    outcome: Outcome
    gates: Sequence[GateResult]
    settings: Mapping[str, Any]
    created: str
    seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    command: str = "eval"

    @property
    def title(self) -> str:
        """The command and, where it has several, its task."""
        return " ".join(dict.fromkeys([self.command, self.task]))

    @property
    def signature(self) -> str:
        return signature_text(self.task, self.outcome.signature)

    @property
    def error(self) -> LlmctlError | None:
        """What the command ends with; None when everything passed."""
        return gate_error(self.gates, self.outcome.undecided)

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else 0

    @property
    def verdict(self) -> Verdict:
        verdicts: dict[int, Verdict] = {0: "passed", 3: "failed", 4: "undecided"}
        return verdicts[self.exit_code]

    def shown(self, metric: Metric) -> str:
        """The metric's value in digits that agree with the verdict of each of its gates."""
        if metric.value is None:
            return "-"
        conditions = [held.gate for held in self.gates if held.gate.metric == metric.name]
        return shown_beside(metric.value, [one for one in conditions if isinstance(one, Gate)])

    def as_json(self, examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """
        Args:
            examples: what is said of the file of examples: its `sha256`; None: they are not kept.
        """
        outcome = self.outcome
        kept = outcome.examples
        return {
            "schema": SCHEMA,
            "kind": "evaluation",
            "command": self.command,
            "task": self.task,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "signature": self.signature,
            "metrics": {metric.name: metric.as_json() for metric in outcome.metrics},
            "yardsticks": {
                yardstick.name: {
                    "metric": yardstick.metric, "value": yardstick.value, "how": yardstick.how,
                    **yardstick.details,
                }
                for yardstick in outcome.yardsticks
            },
            "gates": [gate.as_json() for gate in self.gates],
            "undecided": outcome.undecided,
            "notes": list(outcome.notes),
            "examples": None if kept is None or examples is None else {
                "count": len(kept.rows), **examples,
                "measures": {name: dict(how) for name, how in kept.measures.items()},
            },
            "decoding": dict(outcome.decoding),
            "model": dict(outcome.model),
            "tokenizer": dict(outcome.tokenizer),
            "data": dict(outcome.data),
            "settings": dict(self.settings),
            "environment": dict(self.environment),
            "created": self.created,
            "seconds": self.seconds,
        }  # fmt: skip


def environment() -> dict[str, str]:
    """Versions that a number may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
