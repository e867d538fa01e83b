"""Reads line-aligned files as one table: line i of every file makes row i.

train.en   You win.      train.zh   算你狠。      {"source": "You win.", "target": "算你狠。"}

The first file holds sources, the second targets; of more files, each holds another translation, and
`target` is the list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import zip_longest

from llmctl.data.inputs import InputFile, find_inputs
from llmctl.data.lines import decode_line, read_lines
from llmctl.data.opening import open_stream, open_text
from llmctl.data.rows import OnBytes, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError, UsageError

SOURCE, TARGET = "source", "target"

_Lines = Iterator[tuple[int, bytes | None]]


def find_parallel(sources: Sequence[str]) -> list[InputFile]:
    """The files of one table, in the order they are named; compressed ones too.

    Raises:
        InputMissing: one is not there.
        UsageError: fewer than two files, or a folder or data set among them.
    """
    found = [(source, find_inputs([source])) for source in sources]
    for source, files in found:
        if len(files) != 1 or files[0].size is None:
            raise UsageError(
                f"{source} is not one file; parallel text is read from a file for each language",
                hint="data.train=[train.en,train.zh]",
            )
    if len(found) < 2:
        raise UsageError(
            f"parallel text needs two files, line by line each other's translation; there is "
            f"{'one' if found else 'none'}",
            hint="data.train=[train.en,train.zh]",
        )
    return [files[0] for _, files in found]


def read_parallel(files: Sequence[InputFile], settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """A row for each line: `source` and `target`, of several targets a list.

    A line that is blank in all files is a blank row; one that cannot be decoded in one of them is a
    bad row. Text may have any ending: `.en`, `.zh.gz`.

    Args:
        files: two or more, see `find_parallel`.

    Raises:
        DataError: files of different numbers of lines, once all lines that they share are read.
    """
    with ExitStack() as opened:
        texts = [
            open_text(opened.enter_context(open_stream(file, on_bytes)), settings.encoding)
            for file in files
        ]
        streams: list[_Lines] = [read_lines(stream) for stream, _ in texts]
        encodings = [encoding for _, encoding in texts]
        for number, lines in enumerate(zip_longest(*streams), 1):
            if any(line is None for line in lines):
                counts = [
                    number - (line is None) + sum(1 for _ in stream)
                    for line, stream in zip(lines, streams, strict=True)
                ]
                raise _lengths_differ(files, counts)
            try:
                yield _row(number, [line[1] for line in lines], encodings, files)
            except RowError as error:
                yield error.at(number)


def _row(
    number: int,
    lines: Sequence[bytes | None],
    encodings: Sequence[str],
    files: Sequence[InputFile],
) -> Row:
    texts = []
    for line, encoding, file in zip(lines, encodings, files, strict=True):
        try:
            texts.append(decode_line(line, encoding))
        except RowError as error:
            raise RowError(f"{file.path}: {error.reason}", error.undecodable) from None
    if not any(text.strip() for text in texts):
        return Row(number, "")
    source, *targets = texts
    return Row(number, {SOURCE: source, TARGET: targets if len(targets) > 1 else targets[0]})


def _lengths_differ(files: Sequence[InputFile], counts: Sequence[int]) -> DataError:
    each = ", ".join(
        f"{file.path} has {count:,} lines" for file, count in zip(files, counts, strict=True)
    )
    return DataError(
        f"parallel files must have as many lines each: {each}",
        hint=f"wc -l {' '.join(file.path for file in files)}",
    )
