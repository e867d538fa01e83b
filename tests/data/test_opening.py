"""Compressed, damaged and wrongly labelled files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard
from reading import made, texts

from llmctl.data.opening import check_encoding
from llmctl.errors import DataError, UsageError

LINES = b"".join(b'{"text": "document %d"}\n' % number for number in range(2000))
PACK = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor(write_checksum=True).compress}


@pytest.mark.parametrize("ending", PACK)
def test_compressed_files_are_read(tmp_path: Path, ending: str) -> None:
    assert len(texts(made(tmp_path, f"a.jsonl.{ending}", PACK[ending](LINES)))) == 2000


@pytest.mark.parametrize("ending", PACK)
def test_several_compressed_parts_in_a_row_are_one_file(tmp_path: Path, ending: str) -> None:
    assert len(texts(made(tmp_path, f"a.jsonl.{ending}", PACK[ending](LINES) * 2))) == 4000


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("keep", [0.5, -1])
def test_a_file_cut_short_is_refused_and_named(tmp_path: Path, ending: str, keep: float) -> None:
    data = PACK[ending](LINES)
    file = made(tmp_path, f"a.jsonl.{ending}", data[: int(len(data) * keep) if keep > 0 else -1])
    with pytest.raises(DataError, match=rf"a\.jsonl\.{ending} is cut short: [\d,]+ bytes of it"):
        texts(file)


@pytest.mark.parametrize("ending", PACK)
def test_a_flipped_byte_is_found(tmp_path: Path, ending: str) -> None:
    data = bytearray(PACK[ending](LINES))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(DataError, match="is damaged"):
        texts(made(tmp_path, f"a.jsonl.{ending}", bytes(data)))


@pytest.mark.parametrize("ending", PACK)
def test_a_plain_file_with_a_compressed_name_is_refused(tmp_path: Path, ending: str) -> None:
    with pytest.raises(DataError, match="is damaged, or not"):
        texts(made(tmp_path, f"a.jsonl.{ending}", LINES))


def test_a_file_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmctl.data.opening._BOMB_BYTES", 1 << 20)
    bomb = zstandard.compress(b" " * (8 << 20))
    with pytest.raises(DataError, match="more than 500 times its size"):
        texts(made(tmp_path, "a.jsonl.zst", bomb))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_utf16_file_taken_for_utf8_is_refused_with_the_option_to_type(
    tmp_path: Path, encoding: str
) -> None:
    with pytest.raises(DataError, match=f"begins with the mark of {encoding}") as caught:
        texts(made(tmp_path, "a.txt", "上海".encode(encoding)))
    assert (caught.value.hint or "").startswith(f"--encoding {encoding} ")


@pytest.mark.parametrize("name", ["utf-99", "base64", "rot13"])
def test_what_is_no_text_encoding_is_exit_2(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        check_encoding(name)
