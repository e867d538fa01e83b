"""What a run knows beside weights and optimizer tensors; all of it is saved with a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass
class TrainState:
    """Progress of a run. Randomness, data order and learning rate need no state: they are
    functions of the seed and the step."""

    step: int = 0
    """Optimizer steps done."""
    tokens: int = 0
    """Tokens of text trained on."""
    seconds: float = 0.0
    """Seconds of training, over all attempts."""
    best_loss: float | None = None
    best_step: int | None = None
    best_rank: float | None = None
    """What the best step was chosen by, the lower the better: the loss, unless a score is."""
    best_parts: dict[str, float] = field(default_factory=dict)
    """Each part of the validation loss at the best step."""
    best_scores: dict[str, float] = field(default_factory=dict)
    """Scores of the answers to held-out rows at the best step."""
    validations_without_better: int = 0
    last_validation: float | None = None
    total_steps: int | None = None
    """The budget in steps; with a budget in hours none until its decay begins."""
    decay_from: int | None = None
    """The step at which a wsd schedule leaves the peak rate."""
    hours: float | None = None
    """The budget in hours that `total_steps` came from."""
    finished: Literal["budget", "patience"] | None = None
    window_losses: list[float] = field(default_factory=list)
    """Each part of the loss, summed since the last line of metrics.jsonl, on the main process."""
    window_targets: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TrainState:
        if "window_loss" in value:  # written before losses had parts
            value = {**value, "window_targets": [value["window_targets"]]}
            value["window_losses"] = [value.pop("window_loss")]
            if value.get("best_loss") is not None:
                value["best_parts"] = {"loss": value["best_loss"]}
        if "best_rank" not in value:  # written when the loss alone chose
            value = {**value, "best_rank": value.get("best_loss")}
        return cls(**value)


@dataclass(frozen=True)
class Plan:
    """The numbers that a recipe's budget and intervals come to, for one data set and model."""

    rows_per_step: int
    micro_batch_size: int
    block_length: int
    total_steps: int | None
    """None with a budget in hours."""
    decay_from: int | None
    """Where a wsd schedule begins to fall; none for the others."""
    hours: float | None
    validation_every: int
    checkpoint_every: int
    checkpoint_seconds: float | None
    """A checkpoint is also saved when so many seconds have passed since the last."""
    log_every: int
    patience: int | None
    metric: str = "loss"
    """What checkpoints are chosen by: the validation loss, or a score."""
