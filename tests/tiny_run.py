"""A pretraining recipe small enough that a whole run takes a second."""

from __future__ import annotations

from pathlib import Path

RECIPE = """
schema: 1
command: pretrain
model:
  preset: gpt2-tiny
  config: {{n_layer: 2, n_embd: 32, n_head: 2, n_positions: 32}}
tokenizer:
  path: {tokenizer}
data:
  train: {text}
  validation_fraction: 0.2
  text_unit: paragraph
batch: {{rows: 8}}
budget: {{steps: 12}}
validation: {{every_steps: 4, max_rows: 16}}
checkpoints: {{every_steps: 3, reload_check: false}}
compute: {{precision: float32}}
logging: {{every_steps: 1}}
"""


def write_recipe(folder: Path, tokenizer: Path, text: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(tokenizer=tokenizer, text=text), encoding="utf-8")
    return path
