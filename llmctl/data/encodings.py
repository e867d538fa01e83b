"""Guesses the encoding of bytes that are not in the expected one."""

from __future__ import annotations


def guess_encoding(sample: bytes) -> str | None:
    """A name that Python knows, or None when nothing fits.

    Scripts are told apart by a few dozen letters; less is a guess.
    """
    if sample.count(0) > len(sample) // 5:
        return "utf-16"
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None or best.encoding in ("ascii", "utf_8"):
        return None
    return best.encoding.replace("_", "-")
