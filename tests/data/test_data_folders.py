from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from advisor.data import Source, open_source
from advisor.errors import InputError

REAL = os.environ.get("ADVISOR_DATA")
real = pytest.mark.skipif(REAL is None, reason="ADVISOR_DATA names no folder of real data sets")

POSITIVE = ["A fine film, and a moving one", "What a fine cast this film has"] * 10
NEGATIVE = ["A dull film without any life in it", "It is dull; don't see it at all"] * 10


def said(source: Source, *words: str) -> bool:
    return any(
        all(word in sentence for word in words) for sentence in source.notes + source.warnings
    )


def texts(folder: Path, **classes: list[str]) -> Path:
    for name, rows in classes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, text in enumerate(rows):
            (folder / name / f"{i:03}.txt").write_text(f"{text} {i}")
    return folder


def pictures(folder: Path, sizes=((6, 4),), mode: str = "RGB", rows: int = 12) -> Path:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(rows):
            width, height = sizes[i % len(sizes)]
            pixels = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(
                folder / name / f"{i}.{('png', 'jpg')[i % 2]}"
            )
    return folder


def test_a_column_of_texts_becomes_token_ids_padded_on_the_left():
    table = pd.DataFrame({"review": POSITIVE + NEGATIVE, "label": [1] * 20 + [0] * 20})
    table["review"] += [f" w{i}" for i in range(40)]
    source = open_source(data=table)
    facts = source.facts
    assert facts.vocabulary[:2] == ("<pad>", "<unk>")
    assert facts.dtypes == ("int64",)
    assert facts.ids == len(facts.vocabulary) == facts.named()["vocabulary"]
    assert {"don't", "film"} <= set(facts.vocabulary)
    (ids,), _ = source.splits(0).train.take(torch.arange(24))
    for row in ids:
        words = row[row != 0]
        assert torch.equal(row[len(row) - len(words) :], words)


def test_the_vocabulary_is_sorted_by_frequency_then_alphabet_and_can_be_limited():
    rows = ["b b b a a c c d e"] * 10
    source = open_source(
        train=(rows, [0, 1] * 5), test=(["a zebra b"] * 3, [0, 1, 0]), valid=(rows[:2], [0, 1])
    )
    assert source.facts.vocabulary == ("<pad>", "<unk>", "b", "a", "c", "d", "e")
    (ids,), _ = source.splits(0).test.take(torch.arange(1))
    assert ids.tolist() == [[0] * 6 + [3, 1, 2]]
    small = source.limit_vocabulary(4)
    assert (small.facts.vocabulary, small.facts.named()["vocabulary"]) == (
        ("<pad>", "<unk>", "b", "a"),
        4,
    )
    assert small.splits(0).train.take(torch.arange(1))[0][0].tolist() == [
        [2, 2, 2, 3, 3, 1, 1, 1, 1]
    ]
    assert len(source.facts.vocabulary) == 7
    assert torch.equal(source.splits(0).test.take(torch.arange(1))[0][0], ids)
    parts = source.splits(0).train, small.splits(1).test
    assert len({part.inputs[0].data_ptr() for part in parts}) == 1
    with pytest.raises(InputError, match="at least 3"):
        source.limit_vocabulary(2)


def test_long_texts_keep_their_beginning():
    rows = [" ".join(f"t{i}" for i in range(400))] * 20
    source = open_source(data=(rows, [0, 1] * 10))
    (ids,), _ = source.splits(0).train.take(torch.arange(1))
    assert [source.facts.vocabulary[i] for i in ids[0].tolist()] == [f"t{i}" for i in range(256)]


def test_columns_beside_a_text_are_named_as_not_used_and_names_are_no_texts():
    table = pd.DataFrame(
        {"text": POSITIVE + NEGATIVE, "stars": range(40), "label": [1] * 20 + [0] * 20}
    )
    table["text"] += [f" w{i}" for i in range(40)]
    assert said(open_source(data=table), "'text'", "not used: stars")
    people = table.assign(text=[f"Braund, Mr. Owen {i}" for i in range(40)])
    assert open_source(data=people).facts.dtypes == ("float32",)


def test_a_folder_of_texts_with_splits_and_unlabeled_texts_is_recognised(tmp_path):
    texts(tmp_path / "train", pos=POSITIVE, neg=NEGATIVE, unsup=["So so film"] * 5)
    texts(tmp_path / "test", pos=POSITIVE[:6], neg=NEGATIVE[:6])
    source = open_source(data=tmp_path)
    assert source.facts.classes == ("neg", "pos")
    assert source.facts.sizes == {"train": 30, "valid": 10, "test": 12, "unlabeled": 5}
    assert "so" in source.facts.vocabulary
    assert said(source, "12 test rows also stand in train")


@pytest.mark.parametrize("kind", ["folder", "csv", "list"])
def test_unlabeled_texts_come_in_many_shapes(tmp_path, kind):
    data = texts(tmp_path / "data", pos=POSITIVE, neg=NEGATIVE)
    pd.DataFrame({"comment": POSITIVE}).to_csv(tmp_path / "more.csv", index=False)
    unlabeled = {"folder": data / "pos", "csv": "more.csv", "list": POSITIVE}[kind]
    assert (
        open_source(data=data, unlabeled=unlabeled, folder=tmp_path).facts.sizes["unlabeled"] == 20
    )


def test_words_without_sentences_in_a_text_folder_are_texts_too(tmp_path):
    source = open_source(data=texts(tmp_path, a=["x"] * 10, b=["y"] * 10))
    assert source.facts.dtypes == ("int64",)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_images_are_normalised_by_their_training_rows(tmp_path, mode, channels):
    source = open_source(data=pictures(tmp_path, mode=mode))
    assert source.facts.inputs == ((channels, 4, 6),)
    assert source.facts.classes == ("cat", "dog")
    for seed in (0, 1):
        train = source.splits(seed).train
        (pixels,), _ = train.take(torch.arange(len(train)))
        torch.testing.assert_close(pixels.mean((0, 2, 3)), torch.zeros(channels), atol=1e-4, rtol=0)
        torch.testing.assert_close(
            pixels.std((0, 2, 3), correction=0), torch.ones(channels), atol=1e-4, rtol=0
        )


def test_images_of_sixteen_bits_keep_their_shades(tmp_path):
    for name, level in (("dark", 20_000), ("light", 60_000)):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.fromarray(np.full((3, 3), level + i, np.uint16)).save(
                tmp_path / name / f"{i}.png"
            )
    (pixels,), target = open_source(data=tmp_path).splits(0).train.take(torch.arange(6))
    assert ((pixels[:, 0, 0, 0] > 0) == (target == 1)).all()


def test_images_of_differing_sizes_get_the_median_size(tmp_path):
    source = open_source(data=pictures(tmp_path, sizes=((8, 8), (10, 6), (12, 4)), rows=15))
    assert source.facts.inputs[0][0] == 3
    assert said(source, "resized to", "×")


def test_images_too_large_for_memory_are_shrunk(tmp_path, monkeypatch):
    monkeypatch.setattr("advisor.data.formats.images.MEMORY", 24 * 3 * 4 * 6)
    source = open_source(data=pictures(tmp_path))
    assert source.facts.inputs == ((3, 2, 3),)
    assert said(source, "shrunk by 2.0")


def test_a_folder_of_images_with_splits_is_recognised_and_other_files_are_told(tmp_path):
    for split in ("train", "val", "test"):
        pictures(tmp_path / split)
    (tmp_path / "train" / "cat" / "notes.md").write_text("mine")
    (tmp_path / "train" / "cat" / ".hidden").write_text("")
    source = open_source(data=tmp_path, unlabeled=tmp_path / "test" / "cat")
    assert source.facts.sizes == {"train": 24, "valid": 24, "test": 24, "unlabeled": 12}
    assert said(source, "left out 1 file")


def test_folders_at_fault_are_errors_that_name_the_file(tmp_path):
    good = pictures(tmp_path / "good")
    for content, name in (
        (b"no picture", "broken.png"),
        (Path(good / "cat" / "0.png").read_bytes()[:60], "half.png"),
    ):
        (good / "cat" / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} cannot be read as an image"):
            open_source(data=good)
        (good / "cat" / name).unlink()
    (tmp_path / "tables" / "a").mkdir(parents=True)
    (tmp_path / "tables" / "a" / "x.csv").write_text("1")
    (tmp_path / "empty").mkdir()
    for name, word in (("tables", r"\.csv"), ("empty", "nothing"), ("good/cat", "no targets")):
        with pytest.raises(InputError, match=word):
            open_source(data=tmp_path / name)


@real  # the real files carry the traps that this room is made for
def test_adult_opens_with_its_gaps_blanks_and_full_stops():
    source = open_source(
        train=f"{REAL}/adult/adult-train.csv", test=f"{REAL}/adult/adult-test.csv", target="col14"
    )
    assert source.facts.sizes == {"train": 24420, "valid": 8141, "test": 16281, "unlabeled": 0}
    assert (source.facts.inputs, source.facts.classes) == (((108,),), ("<=50K", ">50K"))


@real  # see above
def test_california_housing_opens_with_its_rare_category(tmp_path):
    with tarfile.open(f"{REAL}/california-housing/housing.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    source = open_source(data="housing/housing.csv", target="median_house_value", folder=tmp_path)
    assert source.facts.inputs == ((13,),)
    assert said(source, "filled 207 missing values in total_bedrooms")
    assert said(source, "'ISLAND' (5)")


@real  # see above
@pytest.mark.parametrize(
    ("train", "test", "repeats"),
    [
        ("sst/stsa.binary.train", "sst/stsa.binary.test", 2),
        ("trec/TREC.train.all", "trec/TREC.test.all", 10),
    ],
)
def test_sentences_open_and_repeats_between_train_and_test_are_counted(train, test, repeats):
    def read(name: str) -> pd.DataFrame:
        lines = io.StringIO(Path(REAL, name).read_bytes().decode("latin-1"))
        return pd.DataFrame(
            [line.rstrip("\n").split(" ", 1) for line in lines], columns=["label", "text"]
        )

    assert said(
        open_source(train=read(train), test=read(test)), f"{repeats} test rows also stand in train"
    )
