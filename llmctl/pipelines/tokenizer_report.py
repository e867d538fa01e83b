"""What `llmctl tokenizer` found, as tables for a person."""

from __future__ import annotations

from typing import Any

from llmctl.console import number, table


def render(found: dict[str, Any]) -> str:
    """Tables that fit on a screen: the tokenizer, how it does on a text, its longest tokens."""
    parts = [_tokenizer(found), _training(found), _measured(found), _scripts(found)]
    if found["longest_tokens"]:
        parts.append("longest tokens: " + "  ".join(map(_clipped, found["longest_tokens"])))
    if "tokens" in found:
        parts.append(table(["id", "token"], [[row["id"], row["token"]] for row in found["tokens"]]))
        parts.append(" | ".join(row["token"] for row in found["tokens"]))
    if "folder" in found:
        parts.append(f"saved to {found['folder']}")
    return "\n\n".join(part for part in parts if part)


def _tokenizer(found: dict[str, Any]) -> str:
    special = [
        [role.removesuffix("_token"), entry["token"], str(entry["id"])]
        for role, entry in found["special_tokens"].items()
    ]
    more = found["special_token_count"] - len({row[1] for row in special})
    lines = [f"{found['class']}, {found['vocabulary_size']:,} tokens"]
    if special:
        lines.append(table(["special", "token", "id"], special))
    if more > 0:
        lines.append(f"and {more} more special tokens")
    return "\n".join(lines)


def _training(found: dict[str, Any]) -> str:
    training = found.get("training")
    if training is None:
        return ""
    read, used = training["bytes_read"], training["bytes_used"]
    text = f"trained on {training['documents_read']:,} documents, {_size(read)}"
    if training["sampled"]:
        text += f"; a fixed sample of {_size(used)} ({100 * used / read:.2g}%) of it was used"
    return text


def _measured(found: dict[str, Any]) -> str:
    measured = found.get("measured")
    if measured is None:
        return ""
    rows = [
        ["bytes per token", _rounded(measured["bytes_per_token"])],
        ["characters per token", _rounded(measured["characters_per_token"])],
        ["unknown tokens", _percent(measured["unknown_token_share"])],
        ["characters covered", _percent(measured["character_coverage"])],
        ["lines that come back exactly", _percent(measured["round_trip_share"])],
        [
            "  apart from blanks and case",
            _percent(measured["round_trip_share_without_blanks_and_case"]),
        ],
    ]
    size = f"{measured['texts']:,} texts, {_size(measured['bytes'])}"
    return f"measured on {found['measured_on']} ({size})\n" + table(["measure", "value"], rows)


def _scripts(found: dict[str, Any]) -> str:
    scripts = found.get("measured", {}).get("scripts")
    if not scripts:
        return ""
    rows = [
        [
            name,
            counts["characters"],
            counts["tokens"],
            _rounded(counts["tokens_per_word"]),
            _rounded(counts["tokens_per_character"]),
        ]
        for name, counts in scripts.items()
    ]
    return table(["script", "characters", "tokens", "tokens/word", "tokens/character"], rows)


def _clipped(token: str) -> str:
    """
    >>> _clipped("-" * 80)
    '------------------------… (80)'
    """
    return token if len(token) <= 32 else f"{token[:24]}… ({len(token)})"


def _rounded(value: float | None) -> str:
    return "-" if value is None else number(value, 3)


def _percent(value: float | None) -> str:
    """Never 100% for a share that is not whole.

    >>> _percent(1.0), _percent(0.99999), _percent(0.5), _percent(0.0)
    ('100%', '99.99%', '50%', '0%')
    """
    if value is None:
        return "-"
    if value in (0.0, 1.0):
        return f"{100 * value:.0f}%"
    return f"{min(max(100 * value, 0.0001), 99.99):.4g}%"


def _size(value: int) -> str:
    """
    >>> _size(512), _size(3_478_029)
    ('512 bytes', '3.48 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value} bytes"
