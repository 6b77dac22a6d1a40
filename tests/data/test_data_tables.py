from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from advisor.data import Part, Source, open_source
from advisor.errors import InputError


def whole(part: Part) -> torch.Tensor:
    inputs, _ = part.take(torch.arange(len(part)))
    assert len(inputs) == 1
    return inputs[0]


def numbers(rows: int = 40, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {"a": draw.normal(5, 3, rows), "b": draw.normal(size=rows), "label": np.arange(rows) % 2}
    )


def written(folder, text: str, name: str = "data.csv", encoding: str = "utf-8") -> str:
    (folder / name).write_text(text, encoding=encoding)
    return str(folder / name)


def said(source: Source, *words: str) -> bool:
    return any(
        all(word in sentence for word in words) for sentence in source.notes + source.warnings
    )


def test_a_table_is_split_sixty_twenty_twenty_and_standardized_on_its_training_rows():
    source = open_source(data=numbers(100))
    assert source.facts.sizes == {"train": 60, "valid": 20, "test": 20, "unlabeled": 0}
    assert source.facts.inputs == ((2,),)
    assert source.facts.classes == ("0", "1")
    for seed in (0, 1):
        train = whole(source.splits(seed).train)
        assert train.dtype == torch.float32
        torch.testing.assert_close(train.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
        torch.testing.assert_close(train.std(0, correction=0), torch.ones(2), atol=1e-5, rtol=0)
    assert said(source, "'label' is taken as the target")


def test_test_rows_stay_the_same_for_every_seed_and_valid_rows_do_not():
    table = numbers(200).assign(a=np.arange(200) / 7.0)
    source = open_source(data=table, seed=3)
    one, two, again = source.splits(1), source.splits(2), source.splits(1)
    # standardized by each seed's own rows: compare the order, not the values
    assert torch.equal(whole(one.test)[:, 0].argsort(), whole(two.test)[:, 0].argsort())
    assert torch.equal(one.test.target, two.test.target)
    assert not torch.allclose(whole(one.valid)[:, 0], whole(two.valid)[:, 0])
    assert torch.equal(whole(one.valid), whole(again.valid))
    assert torch.equal(whole(open_source(data=table, seed=3).splits(1).test), whole(one.test))
    assert not torch.equal(whole(open_source(data=table, seed=4).splits(1).test), whole(one.test))


def test_the_splits_of_all_seeds_share_one_table_and_taking_rows_does_not_change_it():
    table = numbers(60).assign(colour=["red", "blue", None] * 20)
    table.loc[3:9, "a"] = None
    source = open_source(data=table)
    one, two = source.splits(1), source.splits(2)
    places = {
        tensor.data_ptr()
        for part in (one.train, one.valid, one.test, two.train, two.valid, two.test)
        for tensor in part.inputs
    }
    assert len(places) == len(one.train.inputs)
    before = whole(one.train)
    before_test = whole(one.test)
    assert not torch.equal(before_test, whole(two.test))
    assert torch.equal(before, whole(one.train))
    assert torch.equal(before_test, whole(one.test))


def test_numbers_are_those_of_scikit_learn_to_the_last_bit():
    draw = np.random.default_rng(0)
    cells = draw.normal(size=(300, 19)) * 10.0 ** np.arange(-9, 10)
    cells[draw.random(cells.shape) < 0.1] = np.nan
    cells[:, 3] = 0.1
    table = pd.DataFrame(cells, columns=[f"n{i}" for i in range(19)])
    splits = open_source(train=table.assign(y=[0, 1] * 150), test=table.assign(y=1)).splits(0)
    kept = np.ascontiguousarray(table.drop(columns="n3"))  # rows are summed in this order
    rows = splits.train.rows.numpy()
    fill = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(kept[rows])
    assert torch.equal(whole(splits.test), torch.from_numpy(fill.transform(kept)).float())


def test_a_file_is_read_once(tmp_path, monkeypatch):
    text = "\n".join(f"{i % 7},x{i % 2},{i % 3}" for i in range(30))
    path, reads = written(tmp_path, text, encoding="latin-1"), []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: (reads.append(self), read(self))[1])
    opened = open
    monkeypatch.setattr(
        "builtins.open",
        lambda name, *args, **options: (
            pytest.fail("read again") if str(name) == path else opened(name, *args, **options)
        ),
    )
    source = open_source(data=path, target="col2")
    source.splits(1)
    assert [str(read_path) for read_path in reads] == [path]


def test_no_row_is_in_two_splits():
    table = numbers(90).assign(a=np.arange(90.0))
    splits = open_source(data=(table[["a"]].to_numpy(), table["label"])).splits(5)
    rows = torch.cat([whole(splits.train), whole(splits.valid), whole(splits.test)]).flatten()
    assert sorted(rows.tolist()) == list(range(90))


def test_opening_and_splitting_leave_the_global_random_states_alone():
    torch.manual_seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    open_source(data=numbers(), target="label").splits(9)
    assert torch.equal(before, torch.get_rng_state())
    assert (np.random.get_state()[1] == numpy_before).all()


def test_gaps_categories_constants_ids_and_dates_become_columns_or_are_told():
    rows = 60
    table = numbers(rows).assign(
        same="x",
        key=[f"id{i}" for i in range(rows)],
        colour=[" red", "blue", "?"] * (rows // 3),
        flag=np.arange(rows) % 3 == 0,
        day=pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d"),
    )
    table.loc[3:9, "a"] = None
    source = open_source(data=table, target="label")
    assert source.facts.inputs == ((3 + 3 + 2,),)
    assert torch.isfinite(whole(source.splits(0).train)).all()
    for words in (
        ("dropped", "'same'"),
        ("dropped", "'key'", "id"),
        ("filled 7 missing values in a",),
        ("one-hot: 2 columns → 5",),
        ("dates", "day"),
        ("'colour'", "20 gaps"),
    ):
        assert said(source, *words), words


def test_gaps_are_filled_with_the_median_of_the_training_rows():
    table = pd.DataFrame({"a": [*range(29), None], "y": [0.5 * i for i in range(30)]})
    source = open_source(train=table, valid=table.head(10), test=table.tail(10))
    assert whole(source.splits(0).train)[-1].item() == pytest.approx(0, abs=1e-6)


def test_many_levels_keep_the_fifty_most_frequent():
    levels = [f"k{i}" for i in range(60)] * 8 + ["k0"] * 20
    source = open_source(data=pd.DataFrame({"c": levels, "y": np.arange(500) % 2}))
    assert source.facts.inputs == ((51,),)
    assert said(source, "'c' has 60 categories", "50 most frequent")
    assert (whole(source.splits(0).train).sum(1) == 1).all()


def test_a_category_of_the_test_rows_alone_is_told_and_changes_no_shape():
    table = pd.DataFrame({"c": ["u", "v"] * 20, "y": [0, 1] * 20})
    source = open_source(train=table, test=table.head(12).assign(c="w"))
    assert source.facts.inputs == ((2,),)
    assert said(source, "'c'", "12 test rows")
    assert whole(source.splits(0).test).sum() == 0


def test_rare_classes_and_categories_are_told_and_never_crash():
    table = numbers(60).assign(
        label=["usual", "other"] * 29 + ["once", "once again"], c=["p", "q"] * 29 + ["ISLAND"] * 2
    )
    source = open_source(data=table, target="label")
    assert said(source, "class 'once' has 1 row")
    assert said(source, "c 'ISLAND' (2)")
    splits = source.splits(4)
    once = source.facts.classes.index("once")
    assert once in splits.train.target.tolist()


def test_rare_categories_of_many_columns_are_one_sentence():
    many = {f"c{i}": ["p", "q"] * 29 + ["rare"] * 2 for i in range(9)}
    source = open_source(data=numbers(60).assign(label=["a", "b"] * 30, **many), target="label")
    assert said(source, "c0 'rare' (2), c1 'rare' (2)", "9 in all")
    assert sum("fewer than" in warning for warning in source.warnings) == 1


def test_a_table_beside_arrays_is_an_error_that_names_both():
    with pytest.raises(InputError, match="valid is a table, and train is none"):
        open_source(
            train=(np.zeros((40, 2)), np.arange(40) % 2),
            valid=numbers(20).assign(label=["a", "b"] * 10),
        )


@pytest.mark.parametrize(
    ("values", "kind", "target", "outputs"),
    [
        ([0, 1, 2] * 20, None, "classes", 3),
        ([0.0, 1.0] * 30, None, "classes", 2),
        ([True, False] * 30, None, "classes", 2),
        (["no", "yes"] * 30, "binary", "classes", 2),
        ([float(i) / 7 for i in range(60)], None, "numbers", 1),
        (list(range(60)), None, "numbers", 1),
        ([0, 1, 2] * 20, "regression", "numbers", 1),
        ([0.5, 1.5] * 30, "classification", "classes", 2),
        ([f"{i / 7}" for i in range(60)], None, "numbers", 1),
    ],
)
def test_the_target_is_classes_or_numbers(values, kind, target, outputs):
    source = open_source(data=numbers(60).assign(label=values), target="label", kind=kind)
    assert (source.facts.target, source.facts.outputs) == (target, outputs)
    dtype = torch.int64 if target == "classes" else torch.float32
    assert source.splits(0).train.target.dtype == dtype
    assert (source.target_scale is None) == (target == "classes")


def test_a_regression_target_is_scaled_by_the_rows_outside_test():
    table = numbers(50).assign(label=np.linspace(100, 200, 50))
    source = open_source(data=table, target="label")
    mean, deviation = source.target_scale
    splits = source.splits(0)
    pool = torch.cat([splits.train.target, splits.valid.target])
    torch.testing.assert_close(pool.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    everything = torch.cat([pool, splits.test.target]) * deviation + mean
    torch.testing.assert_close(
        everything.sort().values, torch.linspace(100, 200, 50), atol=1e-3, rtol=0
    )
    assert said(source, "target scaled")


@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
def test_separators_and_blanks_after_them_are_understood(tmp_path, separator):
    lines = [separator.join(("size", "colour", "label"))]
    lines += [separator.join((str(i), "red" if i % 3 else "blue", "ab"[i % 2])) for i in range(30)]
    source = open_source(data=written(tmp_path, "\n".join(lines)))
    assert source.facts.inputs == ((3,),)
    assert source.facts.classes == ("a", "b")


def test_a_file_without_a_header_gets_column_names(tmp_path):
    text = "\n".join(f"{i % 7},x{i % 2},{i % 3}" for i in range(30))
    source = open_source(data=written(tmp_path, text), target="col2")
    assert source.facts.rows == 30
    assert said(source, "first row looks like data", "col0 to col2")


def test_numbered_column_names_are_a_header(tmp_path):
    text = "0,1,2\n" + "\n".join(f"{i},{i % 5},{i % 2}" for i in range(30))
    assert open_source(data=written(tmp_path, text), target="2").facts.rows == 30


def test_a_column_that_numbers_the_rows_is_left_out(tmp_path):
    numbers(30).to_csv(tmp_path / "data.csv")
    source = open_source(data="data.csv", folder=tmp_path)
    assert source.facts.inputs == ((2,),)
    assert said(source, "numbers the rows")


def test_latin_1_is_read_and_told(tmp_path):
    text = "word,label\n" + "\n".join(
        f"{w},{i % 2}" for i, w in enumerate(["caf\xe9", "th\xe9", "eau"] * 10)
    )
    assert said(open_source(data=written(tmp_path, text, encoding="latin-1")), "Latin-1")


def test_utf_16_and_decimal_commas_are_read(tmp_path):
    text = "a;label\n" + "\n".join(f"{i},5;{i % 2}" for i in range(30))
    source = open_source(data=written(tmp_path, text, encoding="utf-16"))
    assert source.facts.inputs == ((1,),)


@pytest.mark.parametrize("name", ["data.parquet", "data.tsv"])
def test_parquet_and_tsv_are_read(tmp_path, name):
    table = numbers(30)
    table.to_parquet(tmp_path / name) if name.endswith("parquet") else table.to_csv(
        tmp_path / name, sep="\t", index=False
    )
    assert open_source(data=name, folder=tmp_path).facts.inputs == ((2,),)


def test_test_labels_that_end_in_a_full_stop_are_those_of_the_training_rows():
    table = numbers(40).assign(label=["<=50K", ">50K"] * 20)
    source = open_source(train=table, test=table.assign(label=table["label"] + "."))
    assert source.facts.classes == ("<=50K", ">50K")
    assert said(source, "full stop")
    assert said(source, "40 test rows also stand in train")


def test_rows_without_a_class_are_refused_with_their_number_and_place():
    table = numbers(40).assign(label=["a", "b", None, " "] * 10)
    with pytest.raises(
        InputError, match="has 20 empty or NaN targets .first in row 3.: remove or fill these rows"
    ):
        open_source(data=table)


def test_a_target_column_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "twice.csv").write_text("a,y,y\n" + "1,2,x\n3,4,z\n" * 20)
    with pytest.raises(InputError, match="2 columns called 'y'; which is the target"):
        open_source(data="twice.csv", target="y", folder=tmp_path)


def test_nullable_and_categorical_columns_of_pandas_are_read():
    table = numbers(40)
    table["n"] = pd.array([1, None] * 20, dtype="Int64")
    table["c"] = pd.Categorical([1, 2] * 20)
    table["s"] = pd.array(["p", None, "q", "r"] * 10, dtype="string")
    table["d"] = pd.to_datetime(["2024-01-01", None] * 20)
    table["d2"] = pd.date_range("2024-01-01", periods=40, tz="Europe/Berlin")
    table["t"] = pd.to_timedelta(np.arange(40), unit="h")
    table["label"] = pd.array([0, 1] * 20, dtype="Int64")
    source = open_source(data=table)
    assert source.facts.inputs[0][0] == 2 + 1 + 2 + 4 + 1 + 1 - 1  # d is constant
    assert torch.isfinite(whole(source.splits(0).train)).all()


def test_unlabeled_rows_lose_their_target_and_share_the_columns():
    table = numbers(40)
    splits = open_source(data=table, unlabeled=table.head(7)).splits(0)
    assert splits.unlabeled.target is None
    assert whole(splits.unlabeled).shape == (7, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["data.csv", "empty"]),
        ("a,label\n", ["data.csv", "no rows"]),
        ("a,label\n1,0\n2,1\n", ["data.csv", "2 rows", "10"]),
        ("a,b\n" + "1.5,2\n" * 30, ["target=", "a, b"]),
        ("a,label\n" + "1,0\n" * 12, ["one class only", "'0'"]),
        (
            "a,label\n" + "1,0.5\n" * 16 + "2,\n" * 3,
            ["'label'", "data.csv", "3 empty or NaN targets", "row 17", "remove or fill"],
        ),
        ("a,label\n" + "1,\n" * 12, ["'label'", "12 empty or NaN targets"]),
        ("a,label\n" + "1,0,3\n" * 12, ["data.csv", "cannot be read"]),
        ("a,label\n" + "7,0\n7,1\n" * 12, ["no column"]),
    ],
)
def test_a_table_at_fault_is_an_error_that_names_it(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        open_source(data=path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "labl"}, ["'labl'", "did you mean 'label'", "a, b, label"]),
        ({"kind": "ranking"}, ["ranking", "regression"]),
        (
            {"data": numbers(40).assign(label=["a", "b"] * 20), "kind": "regression"},
            ["regression", "'a'", "label"],
        ),
        ({"data": numbers(60).assign(label=[0, 1, 2] * 20), "kind": "binary"}, ["binary", "3"]),
        ({"data": numbers(40).assign(label=[f"n{i}" for i in range(40)])}, ["40 different labels"]),
        ({"data": pd.concat([numbers(40), numbers(40)["a"]], axis=1)}, ["several columns", "a"]),
        ({"data": "  "}, ["path is empty"]),
        ({"data": numbers(40).assign(label=1.5)}, ["1.5", "every row"]),
        ({"test": numbers(20).drop(columns="b")}, ["test", "lacks", "b"]),
        ({"test": numbers(20).drop(columns="label")}, ["test", "'label'"]),
        ({"test": numbers(20).assign(label="maybe")}, ["maybe", "test"]),
        ({"test": numbers(20).head(0)}, ["test", "no rows"]),
        ({"data": None}, ["data=", "train="]),
        ({"valid": (np.zeros((20, 2)), np.arange(20) % 2)}, ["different kinds"]),
    ],
)
def test_a_request_at_fault_is_an_error_that_says_what_to_do(changes, words):
    with pytest.raises(InputError) as caught:
        open_source(**({"data": numbers(40), "target": "label"} | changes))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_missing_file_is_an_error_with_names_that_look_alike(tmp_path):
    numbers().to_csv(tmp_path / "houses.csv")
    with pytest.raises(InputError, match=r"house\.csv.*did you mean houses\.csv"):
        open_source(data="house.csv", folder=tmp_path)
    with pytest.raises(InputError, match=r"notes\.md.*of no kind"):
        open_source(data=written(tmp_path, "x", "notes.md"))
