from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, TensorDataset

from advisor.data import DatasetPart, Source, TensorPart, open_source
from advisor.errors import InputError

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2


def said(source: Source, *words: str) -> bool:
    return any(
        all(word in sentence for word in words) for sentence in source.notes + source.warnings
    )


class Items(Dataset):
    """Items one by one; `noise` makes them random."""

    def __init__(self, rows: int = 40, noise: str = "", targets: bool = False) -> None:
        self.rows, self.noise, self.reads = rows, noise, 0
        if targets:
            self.targets = [i % 2 for i in range(rows)]

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int):
        self.reads += 1
        drawn = {
            "": 0.0,
            "torch": torch.rand(()).item(),
            "numpy": np.random.rand(),
            "python": random.random(),
        }[self.noise]
        return torch.full((2, 2), float(index)) + drawn, index % 2


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        [X, Y],
        (torch.from_numpy(X), torch.from_numpy(Y)),
        (X.tolist(), Y.tolist()),
        {"x": X, "y": Y},
        {"X": X, "Y": Y},
        {"data": X, "target": Y, "images": X},
        {"x_train": X, "y_train": Y},
        {"train": (X, Y)},
        lambda: (X, Y),
        lambda: lambda: {"train": (X, Y)},
        TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
        (pd.DataFrame(X).to_numpy(), pd.Series(Y)),
    ],
)
def test_arrays_come_in_many_shapes_and_mean_the_same(data):
    source = open_source(data=data)
    assert (source.facts.inputs, source.facts.dtypes, source.facts.outputs) == (
        ((3,),),
        ("float32",),
        2,
    )
    assert source.facts.sizes == {"train": 24, "valid": 8, "test": 8, "unlabeled": 0}
    inputs, target = source.splits(0).train.take(torch.tensor([3, 1]))
    assert inputs[0].shape == (2, 3)
    assert target.dtype == torch.int64


def test_given_splits_stay_as_they_are():
    rows = {f"{letter}_{split}": (X if letter == "x" else Y)[: 12 + i]
            for i, split in enumerate(("train", "val", "test")) for letter in "xy"}  # fmt: skip
    source = open_source(data=rows | {"x_unlabeled": X[:9]})
    assert source.facts.sizes == {"train": 12, "valid": 13, "test": 14, "unlabeled": 9}
    one, two = source.splits(1), source.splits(2)
    assert torch.equal(
        one.valid.take(torch.arange(13))[0][0], two.valid.take(torch.arange(13))[0][0]
    )
    torch.testing.assert_close(
        one.train.take(torch.arange(12))[0][0], torch.from_numpy(X[:12]).float()
    )
    assert said(source, "12 test rows also stand in train")


@pytest.mark.parametrize(
    ("given", "sizes"), [(("test",), (30, 10, 40)), (("valid",), (32, 40, 8)), ((), (24, 8, 8))]
)
def test_what_is_not_given_is_split_off_the_training_rows(given, sizes):
    facts = open_source(train=(X, Y), **dict.fromkeys(given, (X, Y))).facts
    assert tuple(facts.sizes[split] for split in ("train", "valid", "test")) == sizes


@pytest.mark.parametrize(
    ("x", "dtype", "shape"),
    [
        (np.full((40, 1, 4, 4), 255, np.uint8), "float32", (1, 4, 4)),
        (np.zeros((40, 5), np.int32), "int64", (5,)),
        (np.zeros(40), "float32", (1,)),
        (np.zeros((40, 2), bool), "float32", (2,)),
        (torch.zeros(40, 2, dtype=torch.float16), "float32", (2,)),
        (np.zeros((40, 2), ">f8"), "float32", (2,)),
    ],
)
def test_dtypes_become_those_of_models(x, dtype, shape):
    source = open_source(data=(x, Y))
    assert (source.facts.dtypes, source.facts.inputs) == ((dtype,), (shape,))
    inputs, _ = source.splits(0).train.take(torch.arange(2))
    assert float(inputs[0].max()) <= 1
    assert said(source, "divided by 255") == (len(shape) == 3)


def test_bytes_are_kept_as_bytes_and_become_pixels_as_they_are_taken():
    pixels = np.arange(160, dtype=np.uint8).reshape(40, 4)
    train = open_source(data=(pixels, Y)).splits(0).train
    assert train.inputs[0].dtype == torch.uint8
    (taken,), _ = train.take(torch.arange(24))
    assert torch.equal(taken, torch.from_numpy(pixels)[train.rows].float() / 255)


@pytest.mark.parametrize(
    ("y", "target", "outputs", "shape"),
    [
        (Y[:, None], "classes", 2, (24,)),
        (np.eye(4)[np.arange(40) % 4], "classes", 4, (24,)),
        (X[:, :1], "numbers", 1, (24,)),
        (X[:, :2], "numbers", 2, (24, 2)),
        (np.array(["a", "b"])[Y], "classes", 2, (24,)),
    ],
)
def test_targets_of_arrays_are_classes_or_unscaled_numbers(y, target, outputs, shape):
    source = open_source(data=(X, y))
    assert (source.facts.target, source.facts.outputs, source.target_scale) == (
        target,
        outputs,
        None,
    )
    assert source.splits(0).train.target.shape == shape


def test_class_numbers_follow_the_labels_in_order_of_their_numbers():
    source = open_source(data=(X, np.array([2, 10])[Y]))
    assert source.facts.classes == ("2", "10")
    assert said(source, "classes 2, 10 are numbered 0 to 1")


def test_several_inputs_are_given_to_the_model_in_order():
    source = open_source(data=((X, np.zeros((40, 5), np.int64)), Y))
    assert (source.facts.inputs, source.facts.dtypes) == (((3,), (5,)), ("float32", "int64"))
    assert [tensor.shape[1] for tensor in source.splits(0).test.take(torch.arange(4))[0]] == [3, 5]


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ((13,), {"features": 13}),
        ((7, 3), {"features": 3, "length": 7, "height": 7, "width": 3}),
        ((3, 8, 9), {"features": 216, "channels": 3, "height": 8, "width": 9}),
    ],
)
def test_sizes_have_names_that_constructors_use(shape, named):
    source = open_source(data=(np.random.default_rng(0).normal(size=(40, *shape)), Y))
    assert source.facts.named() == {"outputs": 2, "classes": 2, **named}


def test_ids_in_arrays_are_counted_and_a_vocabulary_cannot_be_limited():
    source = open_source(data=(np.arange(80).reshape(40, 2), Y))
    assert source.facts.named()["vocabulary"] == 80
    assert source.facts.vocabulary is None
    assert source.limit_vocabulary(10) is source


def test_a_part_is_cut_and_indexed_with_its_targets():
    train = open_source(data=(X, Y)).splits(0).train
    part = train.subset(torch.tensor([5, 2, 7])).subset([2, 0])
    assert (len(part), part.target.tolist()) == (2, train.target[[7, 5]].tolist())
    inputs, target = part.take(torch.tensor([1]))
    assert torch.equal(inputs[0], train.take(torch.tensor([5]))[0][0])
    assert torch.equal(target, train.target[5:6])


def test_a_dataset_that_repeats_itself_is_read_once():
    items = Items()
    source = open_source(data=items)
    reads = items.reads
    train = source.splits(0).train
    train.take(torch.arange(10))
    assert isinstance(train, TensorPart)
    assert items.reads == reads
    assert said(source, "40 items", "into memory once")


@pytest.mark.parametrize("noise", ["torch", "numpy", "python"])
def test_a_random_dataset_is_read_anew_for_every_batch(noise):
    states = torch.get_rng_state(), random.getstate()
    items = Items(noise=noise, targets=True)
    source = open_source(data=items, unlabeled=Items(5, noise))
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    splits = source.splits(0)
    assert isinstance(splits.train, DatasetPart)
    index = torch.arange(4)
    (one,), target = splits.train.take(index)
    (two,), _ = splits.train.take(index)
    assert not torch.equal(one, two)
    assert torch.equal(one.floor()[:, 0, 0].long() % 2, target)
    assert torch.equal(splits.train.subset([3, 1]).take(torch.tensor([0]))[1], target[3:])
    assert len(splits.unlabeled) == 5
    assert splits.unlabeled.take(torch.arange(2))[1] is None
    assert said(source, "random", "anew")
    assert said(source, "valid and test are drawn from the same Dataset")


def test_a_random_training_set_stands_beside_fixed_ones():
    source = open_source(
        data={"train": Items(noise="torch"), "valid": Items(20), "test": Items(20)}
    )
    splits = source.splits(0)
    index = torch.arange(20)
    assert torch.equal(splits.valid.take(index)[0][0], splits.valid.take(index)[0][0])
    assert not said(source, "drawn from the same Dataset")
    assert source.facts.sizes == {"train": 40, "valid": 20, "test": 20, "unlabeled": 0}


def test_a_dataset_too_large_for_memory_is_kept(monkeypatch):
    monkeypatch.setattr("advisor.data.datasets.MEMORY", 100)
    assert isinstance(
        open_source(data=ConcatDataset([Items(), Items()])).splits(0).train, DatasetPart
    )


def test_an_npz_file_is_read_and_its_faults_are_told(tmp_path):
    np.savez(tmp_path / "good.npz", x_train=X, y_train=Y, x_test=X[:10], y_test=Y[:10], unlabeled=X)
    assert open_source(data="good.npz", folder=tmp_path).facts.sizes == {
        "train": 30,
        "valid": 10,
        "test": 10,
        "unlabeled": 40,
    }
    np.savez(tmp_path / "objects.npz", x=np.array([{}, 1]), y=Y, allow_pickle=True)
    np.savez(tmp_path / "nameless.npz", X, Y)
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, X)
    for name, word in (
        ("single", "cannot be read"),
        ("objects", "not of objects"),
        ("nameless", "arr_0, arr_1"),
        ("broken", "cannot be read"),
    ):
        with pytest.raises(InputError, match=word):
            open_source(data=f"{name}.npz", folder=tmp_path)


def test_functions_arrays_and_datasets_are_found_in_files_and_modules(tmp_path):
    (tmp_path / "neighbour_of_data.py").write_text(
        "import numpy as np\nx = np.zeros((30, 4))\ny = np.arange(30) % 3\n"
    )
    (tmp_path / "mine.py").write_text(
        "def pair():\n    from neighbour_of_data import x, y\n    return x, y\n"
        "faulty = lambda: 1 / 0\nneeds = lambda path: path\nnumber = 3\nanswer = lambda: 42\n"
    )
    for reference in ("mine.py:pair", f"{tmp_path}/mine.py:pair"):
        assert open_source(data=reference, folder=tmp_path).facts.outputs == 3
    assert open_source(data="sklearn.datasets:load_iris").facts.inputs == ((4,),)
    for reference, word in (
        ("mine.py:pear", "It has: .*pair"),
        ("mine.py:faulty", "mine.py:faulty.. failed at mine.py:4 with ZeroDivisionError"),
        ("mine.py:number", "mine.py:number is int, which cannot be read"),
        ("mine.py:answer", "mine.py:answer.. is int, which cannot be read"),
        ("mine.py:needs", "without arguments"),
        ("mime.py:pair", "did you mean mine.py"),
        ("no_such_module_here:x", "no module .no_such_module_here"),
    ):
        with pytest.raises(InputError, match=word):
            open_source(data=reference, folder=tmp_path)


def test_an_edited_file_is_run_again(tmp_path):
    for width in (2, 3):
        (tmp_path / "mine.py").write_text(
            f"import numpy as np\ndata = np.zeros((30, {width})), np.arange(30) % 3\n"
        )
        assert open_source(data="mine.py:data", folder=tmp_path).facts.inputs == ((width,),)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


class Pictures(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return object(), 1


class Ragged(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return torch.zeros(index + 1), index % 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((X, Y[:39]), ["40 rows", "39"]),
        ((np.where(X > 2, np.nan, X), Y), ["data", "NaN or infinite", "index"]),
        ((np.where(X > 2, np.inf, X), Y), ["NaN or infinite"]),
        ((X, np.where(Y, np.nan, 0.5)), ["20 NaN or infinite targets", "index 1"]),
        ((X, np.zeros(40, int)), ["one class only", "'0'"]),
        ((X[:5], Y[:5]), ["5 rows", "10"]),
        ((X, np.zeros((40, 2, 2))), ["(40, 2, 2)"]),
        ((X, Y, X), ["tuple of 3", "dict"]),
        ((Items(), Items()), ["tuple of 2", "dict"]),
        ((X, np.array([["a", 1]] * 40, dtype=object)), ["2 columns", "numbers"]),
        (X, ["no targets", "(x, y)"]),
        ((np.array([object()] * 40), Y), ["object"]),
        (([[1, 2], [3]] * 20, Y), ["different shapes"]),
        ({"left": X, "right": Y}, ["left, right", "x_train"]),
        ({"test": (X, Y)}, ["test", "train on"]),
        (17, ["17", "DataFrame"]),
        (lambda: None, ["returned None"]),
        (Stream(), ["Stream", "map-style"]),
        (Pictures(), ["object", "tensors"]),
        (Ragged(), ["do not fit together", "pad"]),
        (Items(0), ["no items"]),
        ({"train": (X, Y), "test": (X[:, :2], Y)}, ["test", "(2,)", "(3,)"]),
        ({"train": (X, Y), "test": (X, Y + 1)}, ["test", "2"]),
    ],
)
def test_data_at_fault_are_an_error_that_says_what_and_where(data, words):
    with pytest.raises(InputError) as caught:
        open_source(data=data)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_split_that_is_given_twice_is_an_error():
    with pytest.raises(InputError, match="test is given twice"):
        open_source(data={"train": (X, Y), "test": (X, Y)}, test=(X, Y))


@pytest.mark.parametrize("rows", [10, 11, 13, 17])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_few_rows_and_many_classes_split_without_a_crash(rows, classes):
    y = np.minimum(np.arange(rows), classes - 1)
    sizes = open_source(data=(X[:rows], y)).facts.sizes
    assert sum(sizes.values()) == rows
    assert min(sizes["train"], sizes["valid"], sizes["test"]) > 0


def test_proportions_of_classes_are_those_of_the_data():
    y = (np.arange(1000) % 10 == 0).astype(int)
    splits = open_source(data=(np.zeros((1000, 1)), y)).splits(3)
    assert [int(part.target.sum()) for part in (splits.train, splits.valid, splits.test)] == [
        60,
        20,
        20,
    ]
