"""`llmctl tokenizer`: train one on files and judge it; judge any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from llmctl import console, files
from llmctl.data.inputs import InputFile, find_inputs
from llmctl.data.read_report import ReadReport
from llmctl.data.settings import ReadingSettings
from llmctl.data.sources import read_inputs
from llmctl.errors import UsageError
from llmctl.pipelines.fingerprints import fingerprint, fingerprint_sha256
from llmctl.tokenization.families import family_of
from llmctl.tokenization.load import load_tokenizer, vocabulary_of
from llmctl.tokenization.measure import measure
from llmctl.tokenization.sample import take_sample
from llmctl.tokenization.settings import TokenizerSettings
from llmctl.tokenization.show import longest_tokens, show_text
from llmctl.tokenization.train import train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MEASURED_BYTES = 20_000_000
_RECORD = "llmctl-training.json"
"""In the tokenizer's folder: what it was made with, so that a repeated command finds it done."""


def settings_from_words(
    tokenizer: Mapping[str, Any], reading: Mapping[str, Any]
) -> tuple[TokenizerSettings, ReadingSettings]:
    """Checked settings from the options of a command line.

    Raises:
        UsageError: a value that cannot be; the message names the option.
    """
    try:
        return TokenizerSettings(**tokenizer), ReadingSettings(**reading)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("vocabulary_size", "vocab_size").replace("_", "-")
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"--{option} {first['input']}: {message}") from None


def train(
    sources: Sequence[str],
    settings: TokenizerSettings,
    reading: ReadingSettings,
    folder: Path,
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train a tokenizer on documents, save it, and measure it on a part of them.

    Raises:
        UsageError: the folder is taken, or the vocabulary size cannot be.
        InputMissing, DataError, NetworkError: see `read_documents`.
    """
    family_of(settings)  # before anything is read
    made_with = {
        **settings.model_dump(mode="json"),
        "sources_sha256": fingerprint_sha256(fingerprint(sources), reading),
    }
    done = _check_free(folder, made_with, fresh=fresh)
    if done is not None:
        console.note(f"{folder} is finished; nothing to do")
        return done
    report = ReadReport()
    with _Bars(find_inputs(sources)) as bars:
        report.on_bytes = bars.read
        texts = _texts(bars.inputs, reading, report)
        trained = train_tokenizer(texts, settings, folder, on_progress=bars.show)
    _say_set_aside(report)
    tokenizer = load_tokenizer(str(folder))
    result = {
        "folder": str(folder),
        "training": {**trained.as_dict(), "rows_set_aside": report.set_aside_rows},
        **_describe(tokenizer),
        "measured_on": "a part of the text it was trained on",
        "measured": measure(tokenizer, trained.excerpt).as_dict(),
    }
    files.write_json(folder / _RECORD, {"made_with": made_with, "result": result})
    return result


def inspect(
    name: str, sources: Sequence[str], reading: ReadingSettings, text: str | None = None
) -> dict[str, Any]:
    """Describe a tokenizer; measure it on documents; show the tokens of a text.

    Of more than 20 MB of documents a fixed sample is measured.

    Raises:
        InputMissing, DataError, NetworkError, SafetyError: tokenizer or documents cannot be read.
    """
    tokenizer = load_tokenizer(name)
    found: dict[str, Any] = {"tokenizer": name, **_describe(tokenizer)}
    if text is not None:
        shown = show_text(tokenizer, text)
        found["tokens"] = [{"id": number, "token": token} for number, token in shown]
    if sources:
        report = ReadReport()
        with _Bars(find_inputs(sources)) as bars:
            report.on_bytes = bars.read
            sample = take_sample(_texts(bars.inputs, reading, report), _MEASURED_BYTES, seed=0)
        _say_set_aside(report)
        found["measured_on"] = "all of it" if sample.complete else "a sample of 20 MB"
        found["measured"] = measure(tokenizer, sample.texts).as_dict()
    return found


def _describe(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    vocabulary = vocabulary_of(tokenizer)
    named = {
        role: {"token": token, "id": tokenizer.convert_tokens_to_ids(token)}
        for role, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    return {
        "class": type(tokenizer).__name__,
        "vocabulary_size": vocabulary.size,
        "sha256": vocabulary.sha256,
        "special_tokens": named,
        "special_token_count": len(tokenizer.all_special_ids),
        "longest_tokens": longest_tokens(tokenizer),
    }


def _check_free(folder: Path, made_with: dict[str, Any], *, fresh: bool) -> dict[str, Any] | None:
    """What the same training gave before; none when the folder is free, or to be replaced."""
    files.check_output_folder(folder)
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if not (folder / "tokenizer_config.json").exists():
        raise UsageError(f"{folder} holds other things than a tokenizer", hint="give another -o")
    if fresh:
        return None
    record = files.read_json(folder / _RECORD) if (folder / _RECORD).exists() else {}
    if record.get("made_with") != made_with:
        raise UsageError(
            f"{folder} holds another tokenizer already",
            hint="give another -o, or --fresh to replace it",
        )
    result: dict[str, Any] = record["result"]
    return result


def _texts(
    inputs: Sequence[InputFile], reading: ReadingSettings, report: ReadReport
) -> Iterator[str]:
    for document in read_inputs(inputs, reading, report):
        yield document.text


def _say_set_aside(report: ReadReport) -> None:
    if report.set_aside_rows:
        first = report.bad_rows[0]
        console.warn(
            f"{report.set_aside_rows:,} of {report.rows:,} rows could not be read; the first: "
            f"{first['path']}:{first['line']}: {first['reason']}"
        )


class _Bars:
    """One bar for reading, by the bytes of the files, then one for training, by the clock."""

    def __init__(self, inputs: list[InputFile]) -> None:
        self.inputs = inputs
        self._stack = ExitStack()
        self._stage = ""

    def __enter__(self) -> _Bars:
        sizes = [file.size for file in self.inputs]
        total = None if None in sizes else float(sum(size or 0 for size in sizes))
        self._start("reading", total, "bytes")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, size: int) -> None:
        if self._stage == "reading":
            self._bar.advance(size)

    def show(self, stage: str, amount: float) -> None:
        if stage == "training":
            if self._stage != "training":
                self._start("learning tokens", None, "seconds")
                self._stage = "training"
            self._bar.advance(amount)

    def _start(self, label: str, total: float | None, unit: str) -> None:
        self._stack.close()
        self._stage = label
        self._bar = self._stack.enter_context(console.progress(label, total, unit))
