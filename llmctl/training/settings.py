"""Recipe sections of the training core. Light: pydantic only."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from llmctl.section import Section

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
LayerDecay = Annotated[
    float | None,
    Field(
        gt=0,
        le=1,
        description="Every layer learns at this share of the rate of the one above it, the head at "
        "the peak (Howard & Ruder 2018, section 3.2; ELECTRA takes 0.8 to 0.9); none: all alike",
    ),
]


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), fused where torch has it."""

    name: Literal["adamw"] = "adamw"
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Peak learning rate; none: 0.003239 - 0.0001395 ln(parameters), no less than "
        "0.0001 (Kaplan et al. 2020, appendix D.6)",
    )
    beta1: Share = Field(0.9, description="Decay of the running mean of gradients")
    beta2: Share = Field(0.95, description="Decay of the running mean of squared gradients")
    epsilon: float = Field(1e-8, gt=0, description="Added to the denominator")
    weight_decay: float = Field(0.1, ge=0, description="On matrices only, not on biases and norms")
    layer_decay: LayerDecay = None


class SGD(Section):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    learning_rate: float = Field(0.1, gt=0, description="Peak learning rate")
    momentum: Share = Field(0.9, description="Share of the last update that is kept")
    nesterov: bool = Field(False, description="Look ahead along the momentum")
    weight_decay: float = Field(0.0, ge=0, description="On matrices only")
    layer_decay: LayerDecay = None


class Adafactor(Section):
    """Adafactor (Shazeer & Stern 2018) as transformers has it: little memory, T5's optimizer."""

    name: Literal["adafactor"]
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Peak learning rate; none: the relative step min(0.01, 1/sqrt(step)), scaled "
        "by each parameter's size, which replaces the schedule",
    )
    weight_decay: float = Field(0.0, ge=0, description="On matrices only")
    clip_threshold: float = Field(1.0, gt=0, description="Root mean square of an update, at most")
    warmup_init: bool = Field(False, description="Relative step starts small: 1e-6 times the step")
    layer_decay: LayerDecay = None

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if self.warmup_init and self.learning_rate is not None:
            raise ValueError("warmup_init belongs to the relative step: leave learning_rate out")
        if self.layer_decay is not None and self.learning_rate is None:
            raise ValueError("layer_decay scales a rate: give learning_rate, too")
        return self


class Muon(Section):
    """Muon (Jordan et al. 2024) for hidden matrices; AdamW for embeddings, head, norms, biases."""

    name: Literal["muon"]
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Peak learning rate of both parts (Muon's update is scaled to AdamW's size); "
        "none: chosen as for adamw",
    )
    momentum: Share = Field(0.95, description="Momentum of the orthogonalised update")
    weight_decay: float = Field(0.1, ge=0, description="On matrices only")
    beta1: Share = Field(0.9, description="Of the AdamW part")
    beta2: Share = Field(0.95, description="Of the AdamW part")
    epsilon: float = Field(1e-8, gt=0, description="Of the AdamW part")
    layer_decay: LayerDecay = None


Optimizer = Annotated[AdamW | SGD | Adafactor | Muon, Field(discriminator="name")]


class Cosine(Section):
    """Linear warm-up, then half a cosine down to `final_share` of the peak rate."""

    name: Literal["cosine"] = "cosine"
    warmup_steps: int | None = Field(
        None, ge=0, description="Steps of linear warm-up; none: 2 % of the budget, 10 to 2000"
    )
    final_share: Share = Field(0.1, description="Rate at the end, as a share of the peak")


class Linear(Section):
    """Linear warm-up, then a straight line down to `final_share` of the peak rate."""

    name: Literal["linear"]
    warmup_steps: int | None = Field(
        None, ge=0, description="Steps of linear warm-up; none: 2 % of the budget, 10 to 2000"
    )
    final_share: Share = Field(0.0, description="Rate at the end, as a share of the peak")


class Constant(Section):
    """Linear warm-up, then the peak rate; such a run can always be prolonged."""

    name: Literal["constant"]
    warmup_steps: int | None = Field(
        None, ge=0, description="Steps of linear warm-up; none: 2 % of the budget, 10 to 2000"
    )


class WarmupStableDecay(Section):
    """Warm-up, the peak rate, then a fall to `final_share` over the last `decay_share` of steps.

    Hu et al. 2024 (MiniCPM), section 4. Such a run can be prolonged from where its decay began.
    """

    name: Literal["wsd"]
    warmup_steps: int | None = Field(
        None, ge=0, description="Steps of linear warm-up; none: 2 % of the budget, 10 to 2000"
    )
    decay_share: float = Field(0.2, gt=0, lt=1, description="Share of all steps that decay takes")
    final_share: Share = Field(0.0, description="Rate at the end, as a share of the peak")


Schedule = Annotated[Cosine | Linear | Constant | WarmupStableDecay, Field(discriminator="name")]


class Budget(Section):
    """How long to train: exactly one of the four."""

    stands_whole: ClassVar[bool] = True

    steps: Positive | None = Field(None, description="Optimizer steps")
    tokens: Positive | None = Field(None, description="Training tokens, rounded up to whole steps")
    epochs: float | None = Field(None, gt=0, description="Passes over the training data")
    hours: float | None = Field(
        None,
        gt=0,
        description="Hours of training steps (validating and saving come on top); needs the "
        "constant or wsd schedule",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("steps", "tokens", "epochs", "hours") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                "give exactly one of steps, tokens, epochs, hours"
                + (f", not {' and '.join(given)}" if given else "")
            )
        return self


def check_schedule(budget: Budget, schedule: Schedule, optimizer: Optimizer) -> None:
    """
    Raises:
        ValueError: these three sections of a recipe contradict each other.
    """
    if budget.hours and not isinstance(schedule, Constant | WarmupStableDecay):
        raise ValueError(
            "a budget in hours needs schedule.name=constant or wsd: "
            f"{schedule.name} must know the number of steps"
        )
    relative = isinstance(optimizer, Adafactor) and optimizer.learning_rate is None
    if relative and schedule != Cosine() and not isinstance(schedule, Constant):
        raise ValueError(
            "adafactor without a learning_rate sets its own rate; "
            "give optimizer.learning_rate, or leave the schedule out"
        )


class BatchSettings(Section):
    """How many rows one optimizer step sees, over all processes and micro-batches."""

    rows: Positive | None = Field(None, description="Rows per optimizer step")
    tokens: Positive | None = Field(
        None, description="Tokens per optimizer step, rounded to whole rows"
    )
    micro_batch_size: Positive | None = Field(
        None, description="Rows per forward pass on one process; none: chosen from free memory"
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.rows is not None and self.tokens is not None:
            raise ValueError("give rows or tokens, not both")
        return self

    def rows_per_step(self, block_length: int) -> int:
        """
        >>> BatchSettings(tokens=4096).rows_per_step(128)
        32
        """
        if self.rows is not None:
            return self.rows
        return max(1, round((self.tokens or 32768) / block_length))


class ValidationSettings(Section):
    """When to measure the loss on held-out text, and when to stop because of it."""

    every_steps: Positive | None = Field(
        None, description="Steps between validations; none: 20 times in the budget"
    )
    max_rows: Positive | None = Field(
        2048, description="Rows measured at most, the first ones; none: all"
    )
    patience: Positive | None = Field(
        None, description="Stop after this many validations without a better loss; none: never"
    )


class CheckpointSettings(Section):
    """What is saved, how often, and how much of it is kept."""

    every_steps: Positive | None = Field(
        None, description="Steps between checkpoints; none: at every validation"
    )
    every_minutes: float | None = Field(
        30.0, gt=0, description="Save also when so many minutes have passed; none: never"
    )
    keep: int = Field(2, ge=2, description="Latest checkpoints kept, beside the best one")
    export: Literal["best", "last"] = Field(
        "best", description="Which checkpoint becomes model/; best needs validation data"
    )
    reload_check: bool = Field(
        True, description="After saving model/, load it in a fresh process and compare the logits"
    )


class ComputeSettings(Section):
    """How the machine is used."""

    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the machine computes it in hardware"
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="torch.compile; auto: on a GPU, when the run is long enough to pay"
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations backwards: less memory, about a third slower"
    )
    max_gradient_norm: float | None = Field(
        1.0, gt=0, description="Gradients are scaled down to this norm; none: never"
    )
    deterministic: bool = Field(
        False, description="On a GPU, only kernels that repeat bit for bit; slower"
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _no_float16(cls, value: Any) -> Any:
        if value in ("float16", "fp16", "half"):
            raise ValueError(
                "float16 overflows in T5 and needs scaled losses elsewhere, so it is not offered; "
                "write bfloat16 (the same speed and memory), or float32"
            )
        return value


class LoggingSettings(Section):
    """What is written while training; none of it changes the result."""

    every_steps: Positive | None = Field(
        None, description="Steps between lines of metrics.jsonl; none: 200 lines in the budget"
    )
    trackers: list[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = Field(
        [], description="Also send metrics there (pip install 'llmctl[trackers]')"
    )
    project: str = Field("llmctl", description="Project name in a tracker")
