"""Low-rank adaptation: beside a frozen matrix, the product of two thin ones that learns.

Hu et al. 2022, section 4.1: h = W x + (alpha / r) B A x, with A [R, D_in] random and B [D_out, R]
zero, so that training starts from the pretrained model itself. peft's layers are put into the model
where its linear ones were; the model stays of its own class and keeps its own forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from transformers.pytorch_utils import Conv1D

from llmctl.errors import CheckpointError, DataError, UsageError
from llmctl.models import adapter_files
from llmctl.models.adapter_files import Base
from llmctl.models.finetune_settings import AUTO, Lora
from llmctl.models.heads import TASK_HEADS
from llmctl.models.layers import block_stacks, head_names
from llmctl.models.save import save_config
from llmctl.registry import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NAME = "default"
_INFIX = f".{_NAME}"
_TASK_TYPES = {
    "sequence-classification": "SEQ_CLS", "token-classification": "TOKEN_CLS",
    "question-answering": "QUESTION_ANS", "causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM",
}  # fmt: skip
"""peft's words for the heads that it has a class for."""


def add_lora(model: PreTrainedModel, settings: Lora, head: str, *, seed: int) -> None:
    """Freeze a model, give its linear layers matrices that learn, and let a task's head learn.

    Args:
        head: a word of HEADS. One that only finetuning makes is trained whole: it may be fresh.
        seed: the first matrices depend on it alone.

    Raises:
        UsageError: the model has no linear layer of a name asked for.
    """
    from peft import LoraConfig, inject_adapter_in_model

    targets = lora_targets(model, settings.targets)
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout,
        target_modules=targets, task_type=_TASK_TYPES.get(head),
        fan_in_fan_out=isinstance(model.get_submodule(targets[0]), Conv1D),
    )  # fmt: skip
    heads = head_names(model) if head in TASK_HEADS else []
    torch.manual_seed(seed)
    inject_adapter_in_model(config, model)
    # Known to peft only when it is saved: in memory the head is not doubled, it just learns.
    config.modules_to_save, config.target_modules = heads, targets
    for name in heads:
        model.get_submodule(name).requires_grad_(True)
    for module in model.modules():
        if hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = False  # autocast does, without a way to float32


def lora_targets(model: PreTrainedModel, asked: Sequence[str]) -> list[str]:
    """The linear layers inside the blocks, all of them (`auto`: Schulman et al. 2025, "LoRA Without
    Regret": adapting attention alone is worse at the same number of weights) or those whose names
    end in a word of `asked`.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=2))
    >>> lora_targets(model, ["auto"])
    ['transformer.h.0.attn.c_attn', 'transformer.h.0.attn.c_proj', \
'transformer.h.0.mlp.c_fc', 'transformer.h.0.mlp.c_proj']
    >>> lora_targets(model, ["attn.c_proj"])
    ['transformer.h.0.attn.c_proj']

    Raises:
        UsageError: no linear layer in a block is called so, or there is none at all.
    """
    blocks = {name for stack in block_stacks(model) for names in stack for name in names}
    inside = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and _is_inside(name, blocks)
    ]
    if not inside:
        raise UsageError(
            f"{type(model).__name__} has no blocks of linear layers for LoRA",
            hint="leave model.lora out",
        )
    if list(asked) == [AUTO]:
        return inside
    for word in asked:
        if not any(_ends_in(name, word) for name in inside):
            raise _unknown_target(model, word, inside)
    return [name for name in inside if any(_ends_in(name, word) for word in asked)]


def _is_inside(name: str, blocks: set[str]) -> bool:
    words = name.split(".")
    return any(".".join(words[:count]) in blocks for count in range(1, len(words)))


def _ends_in(name: str, word: str) -> bool:
    return f".{name}".endswith(f".{word}")


def _unknown_target(model: PreTrainedModel, word: str, inside: Sequence[str]) -> UsageError:
    last = list(dict.fromkeys(name.rpartition(".")[2] for name in inside))
    longer = [".".join(name.split(".")[-2:]) for name in inside]
    close = nearest(word, [*last, *longer])
    return UsageError(
        f"model.lora.targets: no linear layer in the blocks of {type(model).__name__} is called "
        f"{word!r}; they are called {', '.join(last)}",
        hint=f"did you mean {close!r}?" if close else "model.lora.targets=auto takes all of them",
    )


def save_adapter(model: PreTrainedModel, folder: Path, base: Base) -> None:
    """Write the matrices, the head, and what they belong to: a folder that peft loads, too."""
    config = model.peft_config[_NAME]
    tensors = {key: tensor.detach().contiguous() for key, tensor in _adapter_tensors(model).items()}
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / adapter_files.WEIGHTS, metadata={"format": "pt"})
    save_config(model, folder)
    adapter_files.write_adapter_config(
        folder, base, rank=config.r, alpha=config.lora_alpha, dropout=config.lora_dropout,
        targets=config.target_modules, heads=config.modules_to_save, task_type=config.task_type,
        fan_in_fan_out=config.fan_in_fan_out,
    )  # fmt: skip


@torch.no_grad()
def load_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Put saved matrices and head into a model that `add_lora` has prepared.

    Raises:
        CheckpointError: the file's tensors are not this model's.
    """
    loaded, own = load_file(folder / adapter_files.WEIGHTS), _adapter_tensors(model)
    wrong = sorted(loaded.keys() ^ own.keys()) or [
        key for key in own if own[key].shape != loaded[key].shape
    ]
    if wrong:
        raise CheckpointError(
            f"{folder / adapter_files.WEIGHTS}: {wrong[0]} does not fit the model"
        )
    for key, tensor in own.items():
        tensor.copy_(loaded[key])


def _adapter_tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """By the names of peft's files: what `add_lora` lets learn, with the buffers of the head."""
    heads = tuple(f"{name}." for name in model.peft_config[_NAME].modules_to_save)
    return {
        adapter_files.PREFIX + name.replace(_INFIX, ""): tensor
        for name, tensor in model.state_dict().items()
        if ".lora_" in name or name.startswith(heads)
    }


@torch.no_grad()
def merge_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Add the products of an adapter folder to the weights of its base, W + (alpha / r) B A, and
    give it the head: from then on the model is a plain one, as fast as before (Hu et al. 2022,
    section 4.1).

    Args:
        model: the base, float32, its head of the right shape.

    Raises:
        DataError: the adapter's tensors do not fit the model.
    """
    adapter, path = adapter_files.read_adapter(folder), folder / adapter_files.WEIGHTS
    tensors = {
        key.removeprefix(adapter_files.PREFIX): value.float()
        for key, value in load_file(path).items()
    }
    own = model.state_dict()
    try:
        for name in adapter.targets:
            module = model.get_submodule(name)
            change = tensors.pop(f"{name}.lora_B.weight") @ tensors.pop(f"{name}.lora_A.weight")
            module.weight += adapter.scale * (change.T if isinstance(module, Conv1D) else change)
        heads = tuple(f"{name}." for name in adapter.heads)
        for name in [name for name in own if name.startswith(heads)]:
            own[name].copy_(tensors.pop(name))
    except (KeyError, AttributeError, RuntimeError) as error:
        raise DataError(f"{path} does not fit the model: {error}") from error
    if tensors:
        raise DataError(f"{path} does not fit the model: {min(tensors)} is left over")
