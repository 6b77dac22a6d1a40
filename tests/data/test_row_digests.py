"""Digests of the rows: other content shows, under a name that a person knows; nothing else does."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset

from advisor.data.source import open_source

DRAWN = "the rows drawn for training, validation and test"


def digests(**options):
    source = open_source(**options)
    return source.digests(source.splits(0))


def changed(before, after):
    """The names of what is in one of two sets of digests only, or another in each."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def arrays(rows=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 4, generator=generator), torch.arange(rows) % 3


def table(seed=0):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "length": generator.normal(size=60),
            "width": generator.normal(size=60),
            "colour": np.resize(["red", "green", "blue"], 60),
            "kind": np.resize(["a", "b"], 60),
            "sort": np.resize(["a", "b", "b", "a"], 60),
        }
    )


def test_equal_rows_give_equal_digests_whatever_holds_them(tmp_path):
    x, y = arrays()
    np.savez(tmp_path / "data.npz", x=x.numpy(), y=y.numpy())
    transposed = x.T.contiguous().T
    assert not transposed.is_contiguous()
    before = digests(data=(x, y))
    assert digests(data=lambda: arrays()) == before
    assert digests(data=str(tmp_path / "data.npz")) == before
    assert digests(data=(transposed, y.numpy())) == before
    assert digests(data=(x.double(), y.tolist())) == before


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (lambda x, y: (arrays(seed=1)[0], y), {"the rows"}),
        (lambda x, y: (x.flip(0), y.flip(0)), {"the rows", "the targets", DRAWN}),
        (lambda x, y: (x.flip(1), y), {"the rows"}),
        (lambda x, y: (x, y.flip(0)), {"the targets", DRAWN}),
        (lambda x, y: (x, y + 5), {"the class names"}),
        (lambda x, y: ({"a": x}, y), {"the rows"}),
    ],
    ids=["other rows", "order", "order of columns", "labels", "class names", "name of the input"],
)
def test_other_arrays_of_the_same_shape_show(other, names):
    x, y = arrays()
    assert changed(digests(data=(x, y)), digests(data=other(x, y))) == names


def test_one_number_in_one_row_shows():
    x, y = arrays()
    edited = x.clone()
    edited[31, 2] += 1e-6
    assert changed(digests(data=(x, y)), digests(data=(edited, y))) == {"the rows"}


def test_each_split_of_the_user_has_a_name_of_its_own():
    splits = {"train": arrays(), "valid": arrays(seed=1), "test": arrays(seed=2)}
    splits["unlabeled"] = arrays(seed=3)[0]
    before = digests(**splits)
    for name, words in (
        ("train", "the training rows"),
        ("valid", "the validation rows"),
        ("test", "the test rows"),
    ):
        other = {**splits, name: (arrays(seed=9)[0], splits[name][1])}
        assert changed(before, digests(**other)) == {words}
    other = {**splits, "unlabeled": arrays(seed=9)[0]}
    assert changed(before, digests(**other)) == {"the unlabeled rows"}


def test_another_target_column_of_the_same_kind_shows_and_has_its_name():
    before = open_source(data=table(), target="kind")
    after = open_source(data=table(), target="sort")
    assert (before.target, after.target) == ("kind", "sort")
    names = changed(before.digests(before.splits(0)), after.digests(after.splits(0)))
    assert {"the rows", "the targets", "the column names"} <= names


def test_a_target_that_is_found_by_its_name_is_the_same_as_one_that_is_named():
    rows = table().rename(columns={"kind": "label"})
    found, named = open_source(data=rows), open_source(data=rows, target="label")
    assert found.target == named.target == "label"
    assert digests(data=rows) == digests(data=rows, target="label")


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (lambda rows: rows.assign(length=rows["length"].iloc[::-1].to_numpy()), {"the rows"}),
        (lambda rows: rows.assign(colour=rows["colour"].iloc[::-1].to_numpy()), {"the rows"}),
        (lambda rows: rows.rename(columns={"width": "breadth"}), {"the column names"}),
        (lambda rows: rows[["width", "length", "colour", "kind", "sort"]], {"the rows", "the column names"}),
    ],
    ids=["numbers", "categories", "a column's name", "order of columns"],
)  # fmt: skip
def test_other_cells_and_columns_of_a_table_show(edit, names):
    before, after = digests(data=table(), target="kind"), digests(data=edit(table()), target="kind")
    assert changed(before, after) == names


def test_another_unit_of_a_scaled_target_shows():
    rows = table()
    other = rows.assign(width=rows["width"] * 1024)  # its standardized values are the same
    before, after = digests(data=rows, target="width"), digests(data=other, target="width")
    assert changed(before, after) == {"the targets"}


def test_other_texts_show_and_are_the_same_in_every_process(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from advisor.data.source import open_source\n"
        "texts = [f'word{i % 7} and word{i % 5} here' for i in range(40)]\n"
        "source = open_source(data=(texts, [i % 2 for i in range(40)]))\n"
        "print(source.digests(source.splits(0)))"
    )
    said = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", program, os.getcwd()]
        surroundings = {**os.environ, "PYTHONHASHSEED": seed}
        said.add(subprocess.check_output(command, env=surroundings, text=True))
    assert len(said) == 1
    texts = [f"word{i % 7} and word{i % 5} here" for i in range(40)]
    labels = [i % 2 for i in range(40)]
    before = digests(data=(texts, labels))
    assert said == {f"{before}\n"}
    texts[3] = "another text"
    assert changed(before, digests(data=(texts, labels))) == {"the rows"}


def test_other_pixels_of_an_image_show_and_another_file_name_does_not(tmp_path):
    for number in range(24):
        folder = tmp_path / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        pixels = np.full((6, 6), number * 9, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    before = digests(data=str(tmp_path))
    (tmp_path / "class0" / "00.png").rename(tmp_path / "class0" / "000.png")
    assert digests(data=str(tmp_path)) == before
    Image.fromarray(np.full((6, 6), 255, np.uint8)).save(tmp_path / "class1" / "01.png")
    assert changed(before, digests(data=str(tmp_path))) == {"the rows"}


class Noisy(Dataset):
    """Rows with noise that is drawn whenever one is read."""

    def __init__(self, rows, labels, deviation=0.1, source=None):
        self.rows, self.labels, self.deviation, self.source = rows, labels, deviation, source
        self.reads = 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        self.reads += 1
        noise = torch.randn(4) if self.source is None else torch.as_tensor(self.source.random(4))
        return self.rows[row] + self.deviation * noise.float(), int(self.labels[row])


def test_random_items_do_not_count_and_what_they_are_drawn_from_does():
    x, y = arrays()
    dataset = Noisy(x, y)
    before = digests(data=dataset)
    torch.manual_seed(5)
    assert digests(data=dataset) == before
    assert digests(data=Noisy(x, y)) == before
    edited = x.clone()
    edited[31] += 1
    assert changed(before, digests(data=Noisy(edited, y))) == {"the rows"}
    assert changed(before, digests(data=Noisy(x, y, 0.2))) == {"the rows"}
    assert changed(before, digests(data=Noisy(x, y.flip(0)))) >= {"the targets"}


def test_items_that_are_drawn_from_a_source_of_their_own_are_left_out():
    x, y = arrays()
    before = digests(data=Noisy(x, y, source=np.random.default_rng()))
    assert digests(data=Noisy(x, y, source=np.random.default_rng())) == before
    other = Noisy(x + 1, y, source=np.random.default_rng())
    assert changed(before, digests(data=other)) == {"the rows"}


def test_only_a_few_random_items_are_read():
    x, y = arrays(3000)
    dataset = Noisy(x, y)
    source = open_source(data=Subset(dataset, range(2000)))
    before = dataset.reads
    source.digests(source.splits(0))
    assert dataset.reads - before <= 16


class Files(Dataset):
    """Rows that are read from files, with noise."""

    def __init__(self, folder):
        self.samples = [
            (str(path), int(path.parent.name)) for path in sorted(folder.rglob("*.npy"))
        ]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, row):
        path, label = self.samples[row]
        return torch.from_numpy(np.load(path)) + torch.rand(3), label


def test_files_of_a_random_dataset_may_be_moved_and_not_be_others(tmp_path):
    for number in range(20):
        path = tmp_path / "here" / str(number % 2) / f"{number:02}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full(3, number, np.float32))
    before = digests(data=Files(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    assert digests(data=Files(tmp_path / "there")) == before
    np.save(tmp_path / "there/0/02.npy", np.full(3, 2.0))  # of another size in bytes
    assert changed(before, digests(data=Files(tmp_path / "there"))) == {"the rows"}


def test_batches_of_a_collate_function_show_their_rows():
    def collate(items):
        return torch.stack([x for x, _ in items]) * 2, torch.tensor([y for _, y in items])

    def loader(rows, labels):
        return DataLoader(Noisy(rows, labels), batch_size=4, collate_fn=collate)

    x, y = arrays()
    before = digests(data=loader(x, y))
    assert digests(data=loader(x, y)) == before
    assert changed(before, digests(data=loader(x + 1, y))) == {"the rows"}
