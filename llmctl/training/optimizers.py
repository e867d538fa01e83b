"""Optimizers by their recipe section: parameter groups and constructors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from llmctl.training.settings import SGD, Adafactor, AdamW, Muon, Optimizer

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
    settings: Optimizer, model: torch.nn.Module, learning_rate: float,
    depths: Mapping[str, int] | None = None,
) -> list[torch.optim.Optimizer]:  # fmt: skip
    """One optimizer, or two for Muon. Each group's `peak` is its rate before the schedule.

    Args:
        depths: by parameter name, how far below the head a weight stands, for `layer_decay`: its
            rate is `learning_rate` times the decay to the power of its depth.
    """
    optimizers = _BUILDERS[type(settings)](settings, model, learning_rate)
    if settings.layer_decay is not None and depths is not None:
        factors = {
            id(parameter): settings.layer_decay ** depths[name]
            for name, parameter in model.named_parameters()
        }
        for optimizer in optimizers:
            groups = [part for group in optimizer.param_groups for part in _cut(group, factors)]
            optimizer.param_groups[:] = groups
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def _cut(group: dict[str, Any], factors: Mapping[int, float]) -> list[dict[str, Any]]:
    """A group cut by the rates of its weights."""
    parts: dict[float, list[torch.nn.Parameter]] = {}
    for parameter in group["params"]:
        parts.setdefault(factors[id(parameter)], []).append(parameter)
    return [
        {**group, "params": parameters, "lr": group["lr"] * factor}
        for factor, parameters in parts.items()
    ]


def set_rate_factor(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> float:
    """Set every group's rate to its peak times `factor`; gives the highest.

    A peak of none means the optimizer sets its own rate (Adafactor's relative step).
    """
    rates = []
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if group["peak"] is not None:
                group["lr"] = group["peak"] * factor
                rates.append(group["lr"])
    return max(rates) if rates else _own_rate(optimizers)


def _own_rate(optimizers: Iterable[torch.optim.Optimizer]) -> float:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if state := optimizer.state.get(parameter):
                    return float(optimizer._get_lr(group, state))  # type: ignore[attr-defined]
    return 0.0


def _parameters(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _groups(parameters: list[torch.nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Decay pulls matrices to zero; biases and norms have no reason to be small."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _adamw(settings: AdamW, model: torch.nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    return [_adamw_over(_parameters(model), settings, rate)]


def _adamw_over(
    parameters: list[torch.nn.Parameter], settings: AdamW | Muon, rate: float
) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        _groups(parameters, settings.weight_decay),
        lr=rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


def _sgd(settings: SGD, model: torch.nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    groups = _groups(_parameters(model), settings.weight_decay)
    return [
        torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=settings.nesterov)
    ]


def _adafactor(
    settings: Adafactor, model: torch.nn.Module, rate: float
) -> list[torch.optim.Optimizer]:
    from transformers.optimization import Adafactor as TransformersAdafactor

    relative = settings.learning_rate is None
    optimizer = TransformersAdafactor(
        _groups(_parameters(model), settings.weight_decay),
        lr=None if relative else rate,
        relative_step=relative,
        scale_parameter=relative,
        warmup_init=settings.warmup_init,
        clip_threshold=settings.clip_threshold,
    )
    return [optimizer]


def _muon(settings: Muon, model: torch.nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon takes the matrices inside the layers; a table of embeddings is no linear map."""
    tables = _tables(model)
    parameters = _parameters(model)
    hidden = [p for p in parameters if p.ndim == 2 and id(p) not in tables]
    chosen = {id(p) for p in hidden}
    others = [p for p in parameters if id(p) not in chosen]
    if not hidden:
        return [_adamw_over(others, settings, rate)]
    muon = torch.optim.Muon(
        hidden,
        lr=rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, _adamw_over(others, settings, rate)] if others else [muon]


def _tables(model: torch.nn.Module) -> set[int]:
    """Ids of the embeddings and of the output head: they look rows up, or score them."""
    modules = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return {id(module.weight) for module in [*modules, head] if module is not None}


_BUILDERS: dict[type, Callable[..., list[torch.optim.Optimizer]]] = {
    AdamW: _adamw,
    SGD: _sgd,
    Adafactor: _adafactor,
    Muon: _muon,
}
