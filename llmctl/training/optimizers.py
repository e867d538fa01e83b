"""Optimizers by their recipe section: parameter groups and constructors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from llmctl.training.settings import SGD, Adafactor, AdamW, Muon, Optimizer

NamedParameters = list[tuple[str, torch.nn.Parameter]]
_LEAST_LEARNING_RATE = 1e-4


def default_learning_rate(num_parameters: int) -> float:
    """0.003239 - 0.0001395 ln N, no less than 0.0001 (Kaplan et al. 2020, appendix D.6).

    Args:
        num_parameters: N, without embeddings.

    >>> round(default_learning_rate(85_000_000), 5)
    0.00069
    """
    return max(_LEAST_LEARNING_RATE, 0.003239 - 0.0001395 * math.log(max(num_parameters, 1)))


def build_optimizers(
    settings: Optimizer, model: torch.nn.Module, learning_rate: float
) -> list[torch.optim.Optimizer]:
    """One optimizer, or two for Muon. Each group's `peak` is its rate before the schedule."""
    parameters = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    optimizers = _BUILDERS[type(settings)](settings, parameters, learning_rate)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def set_rate_factor(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> float:
    """Set every group's rate to its peak times `factor`; gives the first group's rate.

    A peak of none means the optimizer sets its own rate (Adafactor's relative step).
    """
    first: float | None = None
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if group["peak"] is not None:
                group["lr"] = group["peak"] * factor
                first = group["lr"] if first is None else first
    return first if first is not None else _own_rate(optimizers)


def _own_rate(optimizers: Iterable[torch.optim.Optimizer]) -> float:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if state := optimizer.state.get(parameter):
                    return float(optimizer._get_lr(group, state))  # type: ignore[attr-defined]
    return 0.0


def _groups(parameters: NamedParameters, weight_decay: float) -> list[dict[str, Any]]:
    """Decay pulls matrices to zero; biases and norms have no reason to be small."""
    matrices = [p for _, p in parameters if p.ndim >= 2]
    others = [p for _, p in parameters if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _adamw(
    settings: AdamW | Muon, parameters: NamedParameters, learning_rate: float
) -> list[torch.optim.Optimizer]:
    return [
        torch.optim.AdamW(
            _groups(parameters, settings.weight_decay),
            lr=learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            fused=True,
        )
    ]


def _sgd(
    settings: SGD, parameters: NamedParameters, learning_rate: float
) -> list[torch.optim.Optimizer]:
    groups = _groups(parameters, settings.weight_decay)
    return [
        torch.optim.SGD(
            groups, lr=learning_rate, momentum=settings.momentum, nesterov=settings.nesterov
        )
    ]


def _adafactor(
    settings: Adafactor, parameters: NamedParameters, learning_rate: float
) -> list[torch.optim.Optimizer]:
    from transformers.optimization import Adafactor as TransformersAdafactor

    relative = settings.learning_rate is None
    optimizer = TransformersAdafactor(
        _groups(parameters, settings.weight_decay),
        lr=None if relative else learning_rate,
        relative_step=relative,
        scale_parameter=relative,
        warmup_init=settings.warmup_init,
        clip_threshold=settings.clip_threshold,
    )
    return [optimizer]


def _muon(
    settings: Muon, parameters: NamedParameters, learning_rate: float
) -> list[torch.optim.Optimizer]:
    """Muon takes the matrices inside the layers; a table of embeddings is no linear map."""
    hidden = [(n, p) for n, p in parameters if p.ndim == 2 and not _is_table(n)]
    chosen = {id(p) for _, p in hidden}
    others = [(n, p) for n, p in parameters if id(p) not in chosen]
    muon = torch.optim.Muon(
        [p for _, p in hidden],
        lr=learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, *_adamw(settings, others, learning_rate)]


def _is_table(name: str) -> bool:
    parts = name.split(".")
    return any(part in {"wte", "wpe", "lm_head", "embed_out"} or "embed" in part for part in parts)


_BUILDERS: dict[type, Callable[..., list[torch.optim.Optimizer]]] = {
    AdamW: _adamw,
    SGD: _sgd,
    Adafactor: _adafactor,
    Muon: _muon,
}
