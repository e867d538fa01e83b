"""Tokenizers by folder, file and name, and the encoder that documents cannot trick."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest

from llmctl.errors import DataError, InputMissing, LlmctlError, NetworkError, SafetyError
from llmctl.tokenization.load import load_tokenizer, make_encoder, vocabulary_of
from llmctl.tokenization.settings import TokenizerSettings
from llmctl.tokenization.train import train_tokenizer

HOSTILE = (
    "a <|endoftext|> b</s><s><pad> [SEP][CLS] [MASK] <mask><unk> [PAD] <extra_id_0> 月"
    "<|end_of_text|>"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    root = tmp_path_factory.mktemp("trained")

    def train(kind: str, family: str) -> Path:
        folder = root / family
        if not folder.exists():
            settings = TokenizerSettings(
                kind=kind, family=family, vocabulary_size=300, character_coverage=1.0
            )  # type: ignore[arg-type]
            texts = [*fakes.make_documents(100), "x < y > z / k", HOSTILE]
            if kind == "unigram":
                settings = settings.model_copy(update={"vocabulary_size": 220})
            train_tokenizer(texts, settings, folder)
        return folder

    return train


def test_the_vocabulary_of_a_tokenizer(tokenizer_folder: Path) -> None:
    vocabulary = vocabulary_of(load_tokenizer(str(tokenizer_folder)))
    assert vocabulary.size == fakes.VOCABULARY_SIZE
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id) == (0, 0, 0)
    assert vocabulary.pad_id is None
    assert vocabulary.mask_id is None


def test_the_fingerprint_does_not_change_when_the_tokenizer_is_used(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(str(tokenizer_folder))
    before = vocabulary_of(tokenizer).sha256
    tokenizer("some text", truncation=True, max_length=3)
    assert vocabulary_of(tokenizer).sha256 == before


def test_another_vocabulary_has_another_fingerprint(
    tokenizer_folder: Path, trained: Callable[[str, str], Path]
) -> None:
    one = vocabulary_of(load_tokenizer(str(tokenizer_folder)))
    other = vocabulary_of(load_tokenizer(str(trained("bpe", "gpt"))))
    assert one.sha256 != other.sha256


def test_the_encoder_gives_the_ids_of_the_tokenizer(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(str(tokenizer_folder))
    texts = [*fakes.make_documents(20), "", "床前明月光\n\n  x", "é ☃ 🏴‍☠️"]
    encoded = make_encoder(tokenizer)(texts)
    assert [ids.dtype for ids in encoded] == [np.int32] * len(texts)
    expected = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert [ids.tolist() for ids in encoded] == expected


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("bpe", "gpt"),
        ("bpe", "llama"),
        ("bpe", "roberta"),
        ("wordpiece", "bert"),
        ("unigram", "t5"),
    ],
)
def test_a_document_cannot_smuggle_in_special_tokens(
    trained: Callable[[str, str], Path], kind: str, family: str
) -> None:
    tokenizer = load_tokenizer(str(trained(kind, family)))
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert special & set(tokenizer(HOSTILE, add_special_tokens=False)["input_ids"]) or (
        tokenizer.unk_token_id in tokenizer(HOSTILE)["input_ids"]
    )
    ids = make_encoder(tokenizer)([HOSTILE])[0].tolist()
    assert not special & set(ids)
    if kind == "bpe":
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == HOSTILE


def test_a_unigram_model_itself_cannot_find_special_tokens(
    trained: Callable[[str, str], Path],
) -> None:
    """Without the renaming, its pieces `</s>` and `<unk>` win over their letters."""
    tokenizer = load_tokenizer(str(trained("unigram", "t5")))
    ids = make_encoder(tokenizer)(["</s> <unk>"])[0]
    shown = "".join(tokenizer.convert_ids_to_tokens(ids.tolist())).replace("▁", " ").strip()
    assert shown == "</s> <unk>"
    assert not {0, 1, 2} & set(ids.tolist())


def test_the_encoder_leaves_the_tokenizer_as_it_was(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(str(tokenizer_folder))
    make_encoder(tokenizer)
    assert tokenizer("<|endoftext|>")["input_ids"] == [0]


def test_the_encoder_neither_truncates_nor_pads(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(str(tokenizer_folder))
    tokenizer(["a", "b c d e f"], truncation=True, max_length=2, padding=False)
    long = "sea " * 300
    assert len(make_encoder(tokenizer)([long])[0]) > 300


def test_a_run_folder_stands_for_its_tokenizer(tmp_path: Path, tokenizer_folder: Path) -> None:
    shutil.copytree(tokenizer_folder, tmp_path / "run" / "tokenizer")
    run = vocabulary_of(load_tokenizer(str(tmp_path / "run")))
    assert run == vocabulary_of(load_tokenizer(str(tokenizer_folder)))
    (tmp_path / "run" / "tokenizer").rename(tmp_path / "run" / "model")
    assert vocabulary_of(load_tokenizer(str(tmp_path / "run"))) == run


def test_a_tokenizer_json_alone_knows_its_special_tokens(
    trained: Callable[[str, str], Path], tmp_path: Path
) -> None:
    shutil.copy(trained("wordpiece", "bert") / "tokenizer.json", tmp_path / "tokenizer.json")
    vocabulary = vocabulary_of(load_tokenizer(str(tmp_path / "tokenizer.json")))
    assert (vocabulary.pad_id, vocabulary.unk_id, vocabulary.mask_id) == (0, 1, 4)
    assert vocabulary_of(load_tokenizer(str(tmp_path))) == vocabulary


def test_a_sentencepiece_file_gives_the_ids_of_sentencepiece(
    trained: Callable[[str, str], Path],
) -> None:
    import sentencepiece

    path = trained("unigram", "t5") / "spiece.model"
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    tokenizer = load_tokenizer(str(path))
    texts = [*fakes.make_documents(40), "床前明月光", " two  blanks ", "☃"]
    ids = make_encoder(tokenizer)(texts)
    assert [row.tolist() for row in ids] == [reference.encode(text) for text in texts]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_a_sentencepiece_bpe_file_too(tmp_path: Path, byte_fallback: bool) -> None:
    import sentencepiece

    with (tmp_path / "bpe.model").open("wb") as stream:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(fakes.make_documents(100)),
            model_writer=stream,
            model_type="bpe",
            vocab_size=420,
            byte_fallback=byte_fallback,
            user_defined_symbols=["<tool>"],
            minloglevel=2,
        )
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    tokenizer = load_tokenizer(str(tmp_path / "bpe.model"))
    texts = [*fakes.make_documents(20), "床前明月光 ☃", "call <tool> now", "  x<tool>y ", " "]
    ids = make_encoder(tokenizer)(texts)
    assert [row.tolist() for row in ids] == [reference.encode(text) for text in texts]


def test_the_vocabulary_files_of_gpt2_by_their_first_names(
    trained: Callable[[str, str], Path], tmp_path: Path
) -> None:
    folder = trained("bpe", "gpt")
    model = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    (tmp_path / "encoder.json").write_text(json.dumps(model["vocab"]), "utf-8")
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (tmp_path / "vocab.bpe").write_text(f"#version: 0.2\n{merges}\n", "utf-8")
    text = "The captain listened. 床前明月光"
    assert load_tokenizer(str(tmp_path))(text) == load_tokenizer(str(folder))(text)


@pytest.mark.parametrize(("extra", "ids"), [([], [4, 4]), (["Sea"], [5, 4])])
def test_a_bert_vocabulary_with_capitals_is_a_cased_one(
    tmp_path: Path, extra: list[str], ids: list[int]
) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sea", *extra]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = load_tokenizer(str(tmp_path))
    assert tokenizer("Sea sea", add_special_tokens=False)["input_ids"] == ids


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in (tmp_path / "missing", tmp_path / "tokenizer.json", tmp_path / "empty"):
        with pytest.raises(InputMissing) as caught:
            load_tokenizer(str(name))
        assert str(name) in caught.value.message


def test_a_hub_name_without_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NetworkError, match="nobody/nothing") as caught:
        load_tokenizer("nobody/nothing")
    assert caught.value.exit_code == 69


def test_a_tokenizer_with_code_of_its_own_is_refused(
    tokenizer_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tokenizer_folder, tmp_path / "evil")
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    config["auto_map"] = {"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]}
    config["tokenizer_class"] = "EvilTokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    (folder / "evil.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Tokenizer: pass\n"
    )
    with pytest.raises(SafetyError) as caught:
        load_tokenizer(str(folder))
    assert caught.value.exit_code == 77
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b'{"model": {"type": "Nothing"}}'),
        ("a.model", b"not a model"),
        ("a.model", b""),
        ("vocab.txt", b"only\nwords\n"),
        ("notes.md", b"# not a tokenizer"),
    ],
)
def test_a_damaged_file_is_bad_data(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as caught:
        load_tokenizer(str(tmp_path / name))
    assert caught.value.exit_code == 65


def test_a_damaged_folder_is_bad_data(tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tokenizer_folder, tmp_path / "t")
    (folder / "tokenizer.json").write_text("{", "utf-8")
    with pytest.raises(LlmctlError) as caught:
        load_tokenizer(str(folder))
    assert caught.value.exit_code == 65
