"""Opens sources as streams of bytes: decompressed, bounded in memory, damage named."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from llmctl.data.inputs import STANDARD_INPUT, InputFile
from llmctl.data.rows import OnBytes
from llmctl.errors import DataError, InputMissing, StorageError, UsageError

_BOMB_BYTES = 1 << 30
_BOMB_RATIO = 500
_UTF16_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
                (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


class _Counted:
    """The raw file: tells of every byte read, and hashes what can be read only once."""

    closed = False

    def __init__(self, raw: BinaryIO, on_bytes: OnBytes, digest: Any) -> None:
        self._raw, self._on_bytes, self._digest = raw, on_bytes, digest
        self.bytes_read = 0

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        self.bytes_read += len(data)
        if self._digest is not None:
            self._digest.update(data)
        self._on_bytes(len(data))
        return data

    def close(self) -> None:
        """The file belongs to `open_stream`."""


class InputStream:
    """The bytes of a source after decompression.

    Reading raises DataError where the compressed data is cut short or damaged.
    """

    def __init__(self, file: InputFile, raw: _Counted, stream: Any) -> None:
        self.file, self._raw, self._stream = file, raw, stream
        self._ahead = b""
        self._done = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._read(size)

    def peek(self, size: int) -> bytes:
        """The next bytes, at most `size`, which stay to be read."""
        while len(self._ahead) < size and (data := self._read(size - len(self._ahead))):
            self._ahead += data
        return self._ahead[:size]

    def _read(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except OSError as error:
            raise self._explained(error) from error
        self._done += len(data)
        if self._done > _BOMB_BYTES and self._done > _BOMB_RATIO * self._raw.bytes_read:
            raise DataError(
                f"{self.file.path} unpacks to more than {_BOMB_RATIO} times its size; "
                "it is not read further",
                hint="unpack it yourself if this is meant",
            )
        return data

    def _explained(self, error: OSError) -> Exception:
        if error.errno is not None or self.file.compression is None:
            return StorageError(f"cannot read {self.file.path}: {error.strerror or error}")
        cut = "Truncated" in str(error)
        what = "is cut short" if cut else f"is damaged, or not {self.file.compression} data"
        return DataError(
            f"{self.file.path} {what}: {self._raw.bytes_read:,} bytes of it gave {self._done:,} "
            "bytes of content before the fault",
            hint="copy or download the file again",
        )


@contextmanager
def open_stream(file: InputFile, on_bytes: OnBytes) -> Iterator[InputStream]:
    """A source as bytes.

    Raises:
        InputMissing: it is not there.
        StorageError: it cannot be read.
    """
    if file.path == STANDARD_INPUT:
        counted = _Counted(sys.stdin.buffer, on_bytes, file.digest)
        yield InputStream(file, counted, counted)
        return
    with open_raw(file) as raw:
        counted = _Counted(raw, on_bytes, file.digest)
        if file.compression is None:
            yield InputStream(file, counted, counted)
            return
        import pyarrow

        source = pyarrow.PythonFile(counted, mode="r")
        yield InputStream(file, counted, pyarrow.CompressedInputStream(source, file.compression))


def use_up(file: InputFile) -> None:
    """Read to the end what can be read only once, for its `digest`."""
    with open_stream(file, lambda _: None) as stream:
        while stream.read(1 << 20):
            pass


@contextmanager
def open_raw(file: InputFile) -> Iterator[BinaryIO]:
    try:
        stream = Path(file.path).open("rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise InputMissing(f"{file.path} does not exist") from None
    except OSError as error:
        raise StorageError(f"cannot read {file.path}: {error.strerror}") from error
    with stream:
        yield stream


def open_text(stream: InputStream, encoding: str) -> tuple[InputStream, str]:
    """Get a stream of text ready to be split at newline bytes: without byte-order mark.

    Returns the stream and the encoding of its lines: UTF-16 and UTF-32 become UTF-8, since in
    them a newline byte may be half of a letter.

    Raises:
        DataError: its first bytes are the mark of another encoding.
        UsageError: no encoding has that name.
    """
    name = check_encoding(encoding)
    start = stream.peek(4)
    if name.startswith(("utf-16", "utf-32")):
        return _Transcoded(stream, name), "utf-8"
    if name in ("utf-8", "utf-8-sig"):
        for mark, other in _UTF16_MARKS:
            if start.startswith(mark):
                raise DataError(
                    f"{stream.file.path} is not {encoding}: it begins with the mark of {other}",
                    hint=f"--encoding {other} (in a recipe: data.encoding={other})",
                )
        if start.startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
        return stream, "utf-8"
    return stream, name


def check_encoding(encoding: str) -> str:
    """The canonical name of a text encoding.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        found = codecs.lookup(encoding)
        "".encode(encoding)  # refuses codecs that are not of text, such as base64
    except LookupError:
        raise UsageError(
            f"no encoding is called {encoding!r}",
            hint="some that are: utf-8, utf-16, gb18030, big5, shift_jis, latin-1, cp1252",
        ) from None
    return found.name


class _Transcoded(InputStream):
    """A UTF-16 or UTF-32 stream, read as UTF-8."""

    def __init__(self, stream: InputStream, encoding: str) -> None:
        super().__init__(stream.file, stream._raw, stream._stream)
        self._inner, self._encoding = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def _read(self, size: int) -> bytes:
        while True:
            data = self._inner.read(size)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError as error:
                raise DataError(
                    f"{self.file.path} is not {self._encoding}: {error.args[-1]} "
                    f"after {self._done:,} bytes of text"
                ) from None
            if text or not data:
                encoded = text.encode("utf-8", errors="surrogatepass")
                self._done += len(encoded)
                return encoded
