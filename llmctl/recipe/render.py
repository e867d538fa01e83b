"""A recipe as YAML that loads back to the same recipe."""

from __future__ import annotations

from typing import Any

import yaml

from llmctl.recipe.annotations import only_value
from llmctl.recipe.defaults import stated
from llmctl.recipe.yaml_strict import NUMBER
from llmctl.section import Section

_LINE_WIDTH = 100
_RARE_BREAKS = set("\r\x85\u2028\u2029")


def render_recipe(recipe: Section, *, with_defaults: bool) -> str:
    """YAML text, `schema` and `command` first, other settings in declared order.

    Args:
        with_defaults: write every setting; otherwise only those that differ from their default.
    """
    plain = recipe.model_dump(mode="json", by_alias=True) if with_defaults else stated(recipe)
    command = type(recipe).model_fields.get("command")
    head = {"schema": 1, "command": only_value(command) if command else None}
    return to_yaml({key: plain.get(key, value) for key, value in head.items()} | plain)


def to_yaml(value: Any) -> str:
    """Plain data as YAML that this program and any YAML 1.1 or 1.2 reader take for the same.

    >>> to_yaml({"rate": 1e-05, "text": ["no", "1e-4", "床前明月光"], "none": None})
    "rate: 1.0e-05\\ntext: ['no', '1e-4', 床前明月光]\\nnone: null\\n"
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False,
        width=_LINE_WIDTH,
    )  # fmt: skip
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would misread; lists of plain values stay on one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - aliases are refused when read
        return True

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        on_one_line = not any(isinstance(item, dict | list) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=on_one_line)

    def represent_text(self, data: str) -> yaml.ScalarNode:
        """Escapes line breaks other than the plain one, which every other style would replace."""
        style = '"' if _RARE_BREAKS & set(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(list, _Dumper.represent_list)
_Dumper.add_representer(tuple, _Dumper.represent_list)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+0123456789."))
