"""The table of metrics: every entry says what it gives, and names lead to it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from llmctl.errors import UsageError
from llmctl.metrics import METRICS, find_numbers
from llmctl.metrics.rouge import RougeSettings

TEXT = [name for name in METRICS if METRICS.get(name).kind == "text"]


def test_a_number_has_one_name_in_the_whole_table() -> None:
    names = Counter(
        number.name
        for metric in METRICS
        for number in METRICS.get(metric).numbers(METRICS.get(metric).settings())
    )

    assert [name for name, times in names.items() if times > 1] == []
    assert all(name.replace("_", "").isalnum() and name == name.lower() for name in names)


@pytest.mark.parametrize("name", list(METRICS))
def test_an_entry_knows_its_name_and_says_what_it_is(name: str) -> None:
    entry = METRICS.get(name)

    assert entry.name == name
    assert entry.description
    assert all(field.description for field in entry.settings.model_fields.values())


@pytest.mark.parametrize("name", TEXT)
def test_a_text_metric_gives_the_numbers_that_it_promised(name: str) -> None:
    entry = METRICS.get(name)
    settings = entry.settings()

    measured = entry.measure(["the cat sat on the mat"], [["a cat sat on the mat"]], settings)

    assert measured.numbers == entry.numbers(settings)
    assert len(measured.statistics) == 1
    assert measured.signature["version"]
    for number in measured.numbers:
        value = measured.values()[number.name]
        assert value is not None
        assert number.low <= value <= number.high


def test_a_metric_stands_for_all_its_numbers_and_a_number_for_itself() -> None:
    assert find_numbers(["rouge"]) == {"rouge": ["rouge_1", "rouge_2", "rouge_l", "rouge_lsum"]}
    assert find_numbers(["rouge_l", "bleu", "rouge_l"]) == {"rouge": ["rouge_l"], "bleu": ["bleu"]}
    assert find_numbers(["rouge_l", "rouge"])["rouge"][0] == "rouge_l"


def test_settings_may_be_given_by_the_metrics_name() -> None:
    assert find_numbers(["rouge_1"], {"rouge": RougeSettings(stem=True)}) == {"rouge": ["rouge_1"]}


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no metric or number is called 'rogue_l'") as caught:
        find_numbers(["rogue_l"])

    assert caught.value.hint == "did you mean 'rouge_l'?"


def test_scoring_text_loads_neither_torch_nor_evaluate() -> None:
    script = (
        "from llmctl.metrics import METRICS, find_numbers\n"
        "for name in find_numbers(['bleu', 'rouge_l', 'chrf', 'ter', 'distinct_1']):\n"
        "    entry = METRICS.get(name)\n"
        "    entry.measure(['a b c d'], ['a b c e'], entry.settings())\n"
        "import sys\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'nltk', 'sklearn'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
