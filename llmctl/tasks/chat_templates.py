"""How a conversation is written as one text: the tokenizer's own template, one of ours, or a file.

Templates are Jinja programs over `messages`, as Hugging Face tokenizers carry them; transformers
runs them in a sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl.errors import InputMissing, UsageError
from llmctl.registry import nearest
from llmctl.tasks.text_ids import end_id, frame_of

OWN = "own"
"""The tokenizer's own template."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template by its name.

    Attributes:
        text: the Jinja program.
        needs: special tokens that it writes and the tokenizer must have.
        begins_itself: it writes what begins a text (`<s>`), where there is such a token; else the
            tokenizer's is put before.
    """

    name: str
    text: str
    needs: tuple[str, ...] = ()
    begins_itself: bool = False

    def to_save(self, tokenizer: Any) -> str:
        """The program as a tokenizer carries it: it writes what begins a text, too."""
        before, _ = frame_of(tokenizer)
        if self.begins_itself or not before:
            return self.text
        return "{{- " + repr("".join(tokenizer.convert_ids_to_tokens(before))) + " -}}" + self.text


_CHATML = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""

_LLAMA_2 = """\
{%- set told = namespace(system='') -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set told.system = '<<SYS>>\\n' + message['content'] + '\\n<</SYS>>\\n\\n' -%}
{%- elif message['role'] == 'user' -%}
{{ bos_token + '[INST] ' + told.system + message['content'] + ' [/INST]' }}
{%- set told.system = '' -%}
{%- else -%}
{{ ' ' + message['content'] + ' ' + eos_token }}
{%- endif -%}
{%- endfor -%}
"""

_ALPACA = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'user' -%}
{%- if loop.first -%}
{{ 'Below is an instruction that describes a task' }}
{%- if message['context'] -%}
{{ ', paired with an input that provides further context' }}
{%- endif -%}
{{ '. Write a response that appropriately completes the request.\\n\\n' }}
{%- endif -%}
{{ '### Instruction:\\n' + (message['instruction'] or message['content']) + '\\n\\n' }}
{%- if message['context'] -%}
{{ '### Input:\\n' + message['context'] + '\\n\\n' }}
{%- endif -%}
{%- else -%}
{{ '### Response:\\n' + message['content'] + eos_token + '\\n\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '### Response:\\n' }}{%- endif -%}
"""

_PLAIN = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'user' -%}
{{ 'User:\\n' + message['content'] + '\\n\\n' }}
{%- else -%}
{{ 'Assistant:\\n' + message['content'] + eos_token + '\\n\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'Assistant:\\n' }}{%- endif -%}
"""

_JOINED = """\
{%- for message in messages -%}
{{ message['content'] }}{%- if message['role'] == 'assistant' -%}{{ eos_token }}{%- endif -%}
{%- endfor -%}
"""

TEMPLATES: Mapping[str, ChatTemplate] = {
    "chatml": ChatTemplate("chatml", _CHATML, needs=("<|im_start|>", "<|im_end|>")),
    "llama-2": ChatTemplate("llama-2", _LLAMA_2, begins_itself=True),
    "alpaca": ChatTemplate("alpaca", _ALPACA),
    "plain": ChatTemplate("plain", _PLAIN),
    "joined": ChatTemplate("joined", _JOINED),
}
"""Templates for tokenizers that bring none.

    chatml    <|im_start|>user … <|im_end|>, as Qwen and SmolLM have it
    llama-2   [INST] … [/INST] (Touvron et al. 2023, appendix A.3.3)
    alpaca    ### Instruction: … ### Response: (Taori et al. 2023)
    plain     User: … Assistant: …, which needs no tokens of its own
    joined    the texts one after another, as they are
"""


def find_template(name: str, tokenizer: Any) -> ChatTemplate:
    """A template by name, `own`, or the path of a file.

    Raises:
        UsageError: no template has that name, the tokenizer has none of its own, or it lacks a
            token that the template writes.
        InputMissing: the file is not there.
    """
    if name == OWN:
        return _own_template(tokenizer)
    if name in TEMPLATES:
        end_id(tokenizer)
        _check_tokens(TEMPLATES[name], tokenizer)
        return TEMPLATES[name]
    path = Path(name).expanduser()
    if path.suffix or "/" in name:
        if not path.is_file():
            raise InputMissing(f"task.template: {path} does not exist")
        return ChatTemplate(name, path.read_text(encoding="utf-8"), begins_itself=True)
    close = nearest(name, [OWN, *TEMPLATES])
    raise UsageError(
        f"no chat template is called {name!r}; choose one of {', '.join([OWN, *TEMPLATES])}, or "
        "name a file",
        hint=f"task.template={close}" if close else None,
    )


def has_own_template(tokenizer: Any) -> bool:
    return bool(getattr(tokenizer, "chat_template", None))


def _own_template(tokenizer: Any) -> ChatTemplate:
    if not has_own_template(tokenizer):
        raise UsageError(
            "the tokenizer has no chat template, so nothing says how a conversation is written",
            hint="task.template=plain (others: chatml, llama-2, alpaca, or a file)",
        )
    return ChatTemplate(OWN, tokenizer.get_chat_template(), begins_itself=True)


def _check_tokens(template: ChatTemplate, tokenizer: Any) -> None:
    known = tokenizer.get_vocab()
    missing = [token for token in template.needs if token not in known]
    if missing:
        raise UsageError(
            f"template {template.name} writes {' and '.join(missing)}, which the tokenizer does "
            "not have as tokens",
            hint="task.template=plain needs no tokens of its own",
        )


def render(
    template: ChatTemplate,
    tokenizer: Any,
    messages: Sequence[Mapping[str, str]],
    *,
    answer_next: bool,
) -> str:
    """The text of a conversation.

    Args:
        messages: `role` and `content`; of a user's also `instruction` and `context`.
        answer_next: end with what stands before an answer.

    Raises:
        UsageError: the template refuses the conversation, such as one with a system prompt.
    """
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            list(messages), chat_template=template.text, tokenize=False,
            add_generation_prompt=answer_next,
        )  # fmt: skip
    except TemplateError as error:
        raise UsageError(
            f"chat template {template.name} fails: {error}",
            hint="task.template=plain, or another one",
        ) from error
    return text
