"""What reading did: every row is a document, empty, or set aside with its file, line and reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from llmctl import console
from llmctl.data.encodings import guess_encoding
from llmctl.data.rows import BadRow, OnBytes
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError
from llmctl.files import storage_errors

_EXAMPLES = 3
_KEPT_IN_MEMORY = 1000
_EARLY_ROWS = 1000
_SAMPLE_BYTES = 64 << 10


@dataclass(slots=True)
class FileCounts:
    """The rows of one source. `examined` counts what can be bad: lines of text, rows of a table."""

    path: str
    rows: int = 0
    documents: int = 0
    empty: int = 0
    set_aside: int = 0
    examined: int = 0

    def as_record(self) -> dict[str, Any]:
        names = ("path", "rows", "documents", "empty", "set_aside")
        return {name: getattr(self, name) for name in names}

    @property
    def is_conserved(self) -> bool:
        return self.rows == self.documents + self.empty + self.set_aside


def _ignore(_: int) -> None:
    pass


@dataclass(slots=True)
class ReadReport:
    """Collects the counts of a reading, and the rows set aside.

    With a `bad_rows_file` these are written there as {"path", "line", "reason"}, one a line. The
    first thousand are kept in `bad_rows`.
    """

    bad_rows_file: Path | None = None
    on_bytes: OnBytes = _ignore
    files: list[FileCounts] = field(default_factory=list)
    bad_rows: list[dict[str, Any]] = field(default_factory=list)
    _undecodable: bytes = b""
    _undecodable_rows: int = 0
    _stream: IO[str] | None = None

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def documents(self) -> int:
        return sum(file.documents for file in self.files)

    @property
    def empty(self) -> int:
        return sum(file.empty for file in self.files)

    @property
    def set_aside_rows(self) -> int:
        return sum(file.set_aside for file in self.files)

    @property
    def examined(self) -> int:
        return sum(file.examined for file in self.files)

    def begin(self, path: str) -> FileCounts:
        self.files.append(FileCounts(path))
        return self.files[-1]

    def set_aside(self, counts: FileCounts, row: BadRow) -> None:
        """Note a row that cannot be used; it is written down at once."""
        counts.set_aside += 1
        record = {"path": counts.path, "line": row.number, "reason": row.reason}
        if len(self.bad_rows) < _KEPT_IN_MEMORY:
            self.bad_rows.append(record)
        self._undecodable_rows += bool(row.undecodable)
        if len(self._undecodable) < _SAMPLE_BYTES:
            self._undecodable += row.undecodable
        if self.bad_rows_file is not None:
            self._write(self.bad_rows_file, record)

    def check_early(self, settings: ReadingSettings) -> None:
        """Stop when it is plain that the source is not what it is taken for."""
        if self.examined >= _EARLY_ROWS and self.set_aside_rows > self.examined / 2:
            self.check_limit(settings)

    def check_limit(self, settings: ReadingSettings) -> None:
        """Refuse more bad rows than `max_bad_fraction`, naming the first of them.

        Raises:
            DataError: there are more.
        """
        self.close()
        bad, total = self.set_aside_rows, self.examined
        if bad <= settings.max_bad_fraction * total:
            return
        where = f"; all are listed in {self.bad_rows_file}" if self.bad_rows_file else ""
        examples = "".join(
            f"\n  {record['path']}:{record['line']}: {record['reason']}"
            for record in self.bad_rows[:_EXAMPLES]
        )
        guess = guess_encoding(self._undecodable) if 2 * self._undecodable_rows > bad else None
        looks = f"\nthe text looks like {guess}" if guess else ""
        share = min(1.0, -(-1000 * bad // total) / 1000)
        raise DataError(
            f"{bad:,} of {total:,} rows cannot be used ({100 * bad / total:.3g}%; allowed are "
            f"{100 * settings.max_bad_fraction:.3g}%){where}{examples}{looks}",
            hint=f"--encoding {guess} (in a recipe: data.encoding={guess})"
            if guess
            else f"mend them, or allow them: --max-bad {share:g} "
            f"(in a recipe: data.max_bad_fraction={share:g})",
        )

    def warn(self) -> None:
        """Tell a person of rows set aside and files without text."""
        if self.set_aside_rows:
            first = self.bad_rows[0]
            listed = f"; listed in {self.bad_rows_file}" if self.bad_rows_file else ""
            console.warn(
                f"{self.set_aside_rows:,} of {self.examined:,} rows set aside, the first at "
                f"{first['path']}:{first['line']}: {first['reason']}{listed}"
            )

    def close(self) -> None:
        if self._stream is not None and self.bad_rows_file is not None:
            with storage_errors(self.bad_rows_file):
                self._stream.close()
            self._stream = None

    def _write(self, path: Path, record: dict[str, Any]) -> None:
        with storage_errors(path):
            if self._stream is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = path.open("w", encoding="utf-8")
            self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
