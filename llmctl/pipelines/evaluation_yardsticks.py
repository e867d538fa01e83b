"""What simple guessers reach on the tokens that a model was scored on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llmctl.data.shard_meta import is_packed, read_meta
from llmctl.errors import DataError, InputMissing
from llmctl.evaluation.outcome import Yardstick
from llmctl.evaluation.perplexity import uniform_yardstick, unigram_yardstick
from llmctl.evaluation.sequences import TokenSequence, scored_counts
from llmctl.tokenization.load import Vocabulary


def guessers(
    counts_file: Path | None, sequences: Sequence[TokenSequence], vocabulary: Vocabulary,
    training: Path | None,
) -> list[Yardstick]:  # fmt: skip
    """The uniform guess, and the unigram one where the counts of the training data are known.

    Args:
        counts_file: a `counts.npy` or the packed folder that holds one; None: that of `training`.
        training: the packed training data of the model's run, where it is known.

    Raises:
        InputMissing: the file is not there.
        DataError: it holds no counts, or was counted with another tokenizer.
    """
    yardsticks = [uniform_yardstick(vocabulary.size)]
    if counts_file is None:
        if training is None or read_meta(training).tokenizer_sha256 != vocabulary.sha256:
            return yardsticks
        counts_file = training
    file = counts_file / "counts.npy" if counts_file.is_dir() else counts_file
    if is_packed(file.parent) and read_meta(file.parent).tokenizer_sha256 != vocabulary.sha256:
        raise DataError(f"{file} was counted with another tokenizer than the model's")
    scored = scored_counts(sequences, vocabulary.size)
    return [*yardsticks, unigram_yardstick(_read_counts(file), scored)]


def _read_counts(file: Path) -> NDArray[np.int64]:
    if not file.is_file():
        raise InputMissing(
            f"{file} does not exist; a counts.npy of a packed folder was expected",
            hint="llmctl data pack SOURCES --tokenizer TOKENIZER -o FOLDER",
        )
    try:
        counts: NDArray[np.int64] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{file} is not a .npy file of counts: {error}") from error
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise DataError(f"{file} must hold one row of whole numbers, one for each token")
    return counts
