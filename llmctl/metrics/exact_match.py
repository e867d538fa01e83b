"""Exact match: the share of predictions that are equal to a reference, whole or in their answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from pydantic import Field

from llmctl.errors import UsageError
from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry, called_with
from llmctl.metrics.inputs import reference_counts, text_pairs
from llmctl.section import Section

_NUMBERS = (Number("exact_match", 0.0, 1.0, unit="0-1"),)
_NUMBER = r"(?:(?<![\w.,])-)?(?:\d[\d,]*(?:\.\d+)?|\.\d+)"
_DECIMAL = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)")
EXTRACTION_RULES = {
    "gsm8k": rf"####\s*\$?({_NUMBER})",
    "number": _NUMBER,
}
"""Named rules: the answer of GSM8K after `####` (Cobbe et al. 2021), and any number. What they find
is compared as a number."""

Take = Literal["last", "first"]


class ExactMatchSettings(Section):
    """What is compared. White space around it never counts."""

    ignore_case: bool = Field(False, description="Case makes no difference")
    ignore_punctuation: bool = Field(
        False, description="Punctuation makes no difference, nor how many blanks there are"
    )
    extract: str | None = Field(
        None, description="What is compared: a regular expression (its first group, if it has one),"
        " or gsm8k (the number after ####) or number; None: the whole text",
    )  # fmt: skip
    take: Take = Field("last", description="Which, where the expression is found several times")
    as_number: bool | None = Field(
        None, description="Compare numbers by value: 1,234.0 is 1234; None: with gsm8k and number"
    )


@dataclass(frozen=True)
class _Rule:
    """How a text is made ready to be compared."""

    pattern: re.Pattern[str] | None
    take: Take
    as_number: bool
    ignore_case: bool
    ignore_punctuation: bool

    def find(self, text: str) -> str | None:
        """What is compared of a text, or None where the expression is not found."""
        if self.pattern is None:
            return text
        matches = list(self.pattern.finditer(text))
        if not matches:
            return None
        match = matches[-1 if self.take == "last" else 0]
        return next((group for group in match.groups() if group is not None), match[0])

    def normal(self, found: str) -> str:
        text = found.strip()
        if self.as_number and (value := _plain_number(text)) is not None:
            return value
        if self.ignore_punctuation:
            text = " ".join("".join(c for c in text if not _is_punctuation(c)).split())
        return text.casefold() if self.ignore_case else text


def exact_match(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str | None]],
    *,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    extract: str | None = None,
    take: Take = "last",
    as_number: bool | None = None,
) -> Measured:
    """The share of predictions that equal one of their references, 0 to 1.

    Args:
        references: for each prediction a string or a list of them. The expression is looked for in
            them too; one that does not hold it is taken whole.
        extract and the rest: see `ExactMatchSettings`.

    Returns:
        `exact_match`. Statistics of an example: whether it is right, and 1. A prediction in which
        the expression is not found is wrong.

    Raises:
        UsageError: `extract` is no regular expression.

    >>> exact_match(["so 6 * 200 = 1,200.0 #### 1,200"], ["#### 1200"], extract="gsm8k").values()
    {'exact_match': 1.0}
    """
    pairs = text_pairs(predictions, references)
    numeric = extract in EXTRACTION_RULES if as_number is None else as_number
    rule = _Rule(_compile(extract), take, numeric, ignore_case, ignore_punctuation)
    statistics = np.ones((len(pairs), 2))
    missing = 0
    for row, (prediction, given) in enumerate(pairs):
        found = rule.find(prediction)
        missing += found is None
        wanted = {rule.normal(_or(rule.find(reference), reference)) for reference in given}
        statistics[row, 0] = found is not None and rule.normal(found) in wanted
    return Measured(
        _NUMBERS,
        statistics,
        from_sums=_rate,
        signature={
            "nrefs": reference_counts(pairs),
            "case": "lc" if ignore_case else "mixed",
            "punct": "no" if ignore_punctuation else "yes",
            "extract": extract or "no",
            **({"take": take} if extract else {}),
            "as_number": "yes" if numeric else "no",
            "version": 1,
        },
        notes=(f"{missing} of {len(pairs)} predictions hold nothing that `extract` finds",)
        if missing
        else (),
        rates={"exact_match": statistics[:, 0]},
    )


def _or(found: str | None, otherwise: str) -> str:
    return otherwise if found is None else found


def _compile(extract: str | None) -> re.Pattern[str] | None:
    if extract is None:
        return None
    try:
        return re.compile(EXTRACTION_RULES.get(extract, extract), re.DOTALL)
    except re.error as error:
        raise UsageError(
            f"extract: {extract!r} is no regular expression: {error}",
            hint=f"named rules are {', '.join(EXTRACTION_RULES)}",
        ) from None


def _plain_number(text: str) -> str | None:
    """A number as it is compared, or None where the text is none.

    >>> [_plain_number(text) for text in ("1,234.0", "$1234", "-.50", "three")]
    ['1234', '1234', '-0.5', None]
    """
    digits = text.replace(",", "").removeprefix("$")
    if not _DECIMAL.fullmatch(digits):
        return None
    value = Decimal(digits)
    return f"{value.normalize():f}" if value else "0"


def _is_punctuation(character: str) -> bool:
    """Punctuation of any writing, and ASCII's signs."""
    category = unicodedata.category(character)
    return category[0] == "P" or (category[0] == "S" and character.isascii())


def _rate(sums: FloatArray) -> FloatArray:
    result: FloatArray = sums[..., :1] / sums[..., 1:]
    return result


def _numbers(_settings: Any) -> tuple[Number, ...]:
    return _NUMBERS


EXACT_MATCH = MetricEntry(
    name="exact_match",
    kind="text",
    settings=ExactMatchSettings,
    numbers=_numbers,
    measure=called_with(exact_match),
    description="share of predictions that equal a reference, in whole or in an extracted answer",
)
