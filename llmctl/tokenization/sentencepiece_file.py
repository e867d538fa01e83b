"""Read a SentencePiece `.model` file as a fast tokenizer with the same ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmctl.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_UNIGRAM, _BPE = 1, 2  # sentencepiece_model.proto: TrainerSpec.ModelType
_CONTROL, _USER_DEFINED = 3, 4  # ModelProto.SentencePiece.Type
_ROLES = {
    "<s>": "bos_token", "</s>": "eos_token", "<pad>": "pad_token", "<mask>": "mask_token",
    "[CLS]": "cls_token", "[SEP]": "sep_token", "[MASK]": "mask_token", "[PAD]": "pad_token",
}  # fmt: skip


def read_sentencepiece(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a Unigram or BPE model file. It adds no special tokens around a text.

    Raises:
        DataError: the file is damaged, or of one of the two rare kinds (word, character).
    """
    from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
    from transformers import PreTrainedTokenizerFast

    data = path.read_bytes()
    try:
        SentencePieceProcessor(model_proto=data)
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{path} is not a SentencePiece model") from error
    proto = sentencepiece_model_pb2.ModelProto.FromString(data)
    special = {piece.piece for piece in proto.pieces if piece.type == _CONTROL}
    roles = {role: token for token, role in _ROLES.items() if token in special}
    roles["unk_token"] = proto.pieces[proto.trainer_spec.unk_id].piece
    return PreTrainedTokenizerFast(
        tokenizer_object=_build(proto, path), clean_up_tokenization_spaces=False, **roles
    )


def _build(proto: Any, path: Path) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(_model(proto, path))
    normalizer = _normalizer(proto.normalizer_spec)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    prepend = "first" if proto.normalizer_spec.add_dummy_prefix else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
        "▁",
        prepend_scheme=prepend,
        split=proto.trainer_spec.split_by_whitespace
        and not proto.trainer_spec.allow_whitespace_only_pieces,
    )
    strip = [decoders.Strip(content=" ", left=1)] if prepend == "first" else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    # A unigram model finds user-defined pieces by their score, which is the best of all.
    added = (_CONTROL,) if proto.trainer_spec.model_type == _UNIGRAM else (_CONTROL, _USER_DEFINED)
    tokenizer.add_tokens(
        [
            # Found after blanks are normalized: else those next to it would be taken for the
            # ends of a text.
            AddedToken(
                piece.piece,
                special=piece.type == _CONTROL,
                normalized=piece.type == _USER_DEFINED,
            )
            for piece in proto.pieces
            if piece.type in added
        ]
    )
    return tokenizer


def _model(proto: Any, path: Path) -> Any:
    from tokenizers import models

    trainer = proto.trainer_spec
    if trainer.model_type == _UNIGRAM:
        scores = [(piece.piece, piece.score) for piece in proto.pieces]
        return models.Unigram(scores, unk_id=trainer.unk_id, byte_fallback=trainer.byte_fallback)
    if trainer.model_type == _BPE:
        ids = {piece.piece: number for number, piece in enumerate(proto.pieces)}
        return models.BPE(
            ids,
            _merges(ids),
            unk_token=proto.pieces[trainer.unk_id].piece,
            fuse_unk=True,
            byte_fallback=trainer.byte_fallback,
        )
    raise DataError(f"{path} holds a word or character model; only unigram and bpe can be read")


def _merges(ids: dict[str, int]) -> list[tuple[str, str]]:
    """The merges behind a BPE vocabulary that is listed in the order in which it was learnt."""
    merges = []
    for piece in ids:
        splits = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        known = [pair for pair in splits if pair[0] in ids and pair[1] in ids]
        merges += sorted(known, key=lambda pair: (ids[pair[0]], ids[pair[1]]))
    return merges


def _normalizer(spec: Any) -> Any:
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        # With the mark of a word put in front, one blank there is that mark. To strip it would
        # hide from the pre-tokenizer that here the text begins.
        ends = " +$" if spec.add_dummy_prefix else "^ +| +$"
        steps += [
            normalizers.Replace(Regex(ends), ""),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    return normalizers.Sequence(steps) if steps else None
