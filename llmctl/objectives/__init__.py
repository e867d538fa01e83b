"""What pretraining asks of a model: token blocks in, batches and a summed loss out."""

from __future__ import annotations

from llmctl.objectives.base import Objective
from llmctl.objectives.causal_lm import CausalLM
from llmctl.registry import Registry

OBJECTIVES: Registry[type[Objective]] = Registry("objective", {"causal_lm": CausalLM})
