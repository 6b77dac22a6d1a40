"""Several labels a row: columns of 0 and 1, tables with several target columns, words in cells."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import TensorDataset

from advisor.data import open_source
from advisor.data.labels import strata_of_labels
from advisor.errors import InputError

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 3)).astype(np.float32)
Y = (RANDOM.random((200, 4)) < (0.5, 0.3, 0.2, 0.1)).astype(int)
NAMES = list("abcd")
WORDS = [[name for name, has in zip(NAMES, row, strict=True) if has] for row in Y]
TABLE = pd.DataFrame(X, columns=list("xyz"))
COLUMNS = TABLE.join(pd.DataFrame(Y, columns=NAMES))


@pytest.mark.parametrize(
    ("data", "options", "names"),
    [
        ((X, Y), {}, "0123"),
        ((X, torch.tensor(Y).float()), {}, "0123"),
        ((X, Y.astype(bool)), {}, "0123"),
        ((X, pd.DataFrame(Y, columns=NAMES)), {}, "abcd"),
        ((X, WORDS), {}, "abcd"),
        ((X, [set(words) for words in WORDS]), {}, "abcd"),
        (TensorDataset(torch.tensor(X), torch.tensor(Y)), {}, "0123"),
        (COLUMNS, {"target": "a,b,c,d"}, "abcd"),
        (COLUMNS, {"target": ["a", "b", "c", "d"]}, "abcd"),
        (COLUMNS.replace({"a": {1: "yes", 0: "no"}}), {"target": " a, b,c,d"}, "abcd"),
        (TABLE.assign(t=WORDS), {"target": "t"}, "abcd"),
        (
            TABLE.assign(t=["|".join(words) for words in WORDS]),
            {"target": "t", "kind": "multilabel"},
            "abcd",
        ),
    ],
)
def test_every_form_of_several_labels_a_row_gives_the_same_zeros_and_ones(data, options, names):
    source = open_source(data=data, **options)
    assert (source.facts.target, source.facts.labels) == ("labels", tuple(names))
    assert source.facts.named()["classes"] == source.facts.outputs == 4
    assert torch.equal(source._target.values, torch.tensor(Y).float())


def test_rare_labels_are_split_in_proportion_where_rows_allow():
    has = np.zeros((100, 3), bool)
    has[:40, 0] = True
    has[:10, 1] = True
    has[95:, 2] = True
    splits = open_source(data=(X[:100], has)).splits(0)
    assert splits.test.target.sum(0).tolist() == [8, 2, 1]
    assert splits.valid.target.sum(0).tolist() == [8, 2, 1]
    # Rows whose set of labels is rare are split by their rarest label.
    rare = np.array([[1, 0, 0]] * 6 + [[0, 1, 1], [1, 1, 0], [0, 0, 1]], bool)
    assert len(set(strata_of_labels(rare))) == 3


def test_the_user_decides_between_labels_classes_and_numbers():
    assert open_source(data=(X, Y), kind="regression").facts.target == "numbers"
    one_hot = np.eye(4)[RANDOM.integers(0, 4, 200)]
    assert open_source(data=(X, one_hot)).facts.target == "classes"
    assert open_source(data=(X, one_hot), kind="multilabel").facts.target == "labels"
    with pytest.raises(InputError, match="multilabel"):
        open_source(data=(X, Y), kind="classification")


def test_several_numbers_a_row_are_scaled_column_by_column_and_told():
    table = TABLE.assign(p=X[:, 0] * 1e6, q=X[:, 1] + 40)
    source = open_source(data=table, target="p,q")
    assert source.facts.target == "numbers"
    assert source._target.values.std(0).tolist() == pytest.approx([1, 1], rel=0.1)
    assert any("2 numbers a row" in note for note in source.notes)


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ((X, Y * 2), {"kind": "multilabel"}, ["0 and 1", "2"]),
        ((X, np.ones((200, 2))), {"kind": "multilabel"}, ["nothing to learn"]),
        (COLUMNS, {"target": "a,b,nose"}, ["no column 'nose'"]),
        (COLUMNS, {"target": "a,b,a"}, ["'a,b,a'", "twice"]),
        (COLUMNS.assign(a="red"), {"target": "a,b"}, ["'red'", "'a'"]),
        (TABLE.assign(t="red"), {"target": "t", "kind": "multilabel"}, ["'|'", "--target A,B,C"]),
        (
            {"train": (X, WORDS), "test": (X[:20], [["e"]] * 20)},
            {},
            ["no other row has", "e"],
        ),
    ],
)
def test_labels_at_fault_are_an_error_that_says_what_to_do(data, options, words):
    with pytest.raises(InputError) as caught:
        open_source(data=data, **options)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_column_whose_name_has_a_comma_is_meant_before_several_columns():
    table = COLUMNS.rename(columns={"a": "a,b"})
    assert open_source(data=table, target="a,b").facts.target == "classes"


def test_cells_that_look_like_several_labels_are_told_where_they_become_classes():
    cells = ["red|round", "red", "round|blue", "blue"] * 50
    source = open_source(data=TABLE.assign(t=cells), target="t")
    assert any("--task multilabel" in warning for warning in source.warnings)


def test_the_digests_of_labels_hold_their_names_and_their_values():
    first = open_source(data=(X, pd.DataFrame(Y, columns=NAMES)))
    other = open_source(data=(X, pd.DataFrame(Y, columns=list("efgh"))))
    ours, others = first.digests(first.splits(0)), other.digests(other.splits(0))
    assert {name for name in ours if ours[name] != others[name]} == {"the label names"}
