"""Columns that tell the target, count the rows, or say that rows have an order or belong together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from advisor.data import open_source

ROWS = 300


def columns() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {
        "size": draw.normal(1000, 50, ROWS),
        "casual": draw.integers(0, 500, ROWS),
        "registered": draw.integers(0, 300, ROWS),
        "colour": draw.choice(list("xyz"), ROWS),
    }


def warned(**data) -> list[str]:
    table = pd.DataFrame({**columns(), **data})
    return list(open_source(data=table, target="y").warnings)


NOISE = np.random.default_rng(1).normal(size=ROWS)
COINS = np.random.default_rng(2).integers(0, 2, ROWS)
BASE = columns()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"y": BASE["casual"] + BASE["registered"]}, "the target is 'casual' + 'registered' in"),
        ({"y": BASE["casual"] - BASE["registered"]}, "the target is 'casual' - 'registered' in"),
        ({"y": 2 * BASE["casual"] + 5 - BASE["registered"]}, "a linear function of 'casual', 'reg"),
        ({"y": NOISE, "copy": NOISE}, "column 'copy' equals the target in every row"),
        ({"y": NOISE, "e": np.exp(NOISE).round(6)}, "column 'e' alone tells the target of every"),
        ({"y": NOISE, "minus": -NOISE}, "column 'minus' alone tells the target"),
        ({"y": BASE["size"] > 1000}, "column 'size' alone tells the target"),
        ({"y": np.where(COINS, "ill", "well"), "alive": 1 - COINS}, "column 'alive' alone tells"),
        ({"y": COINS, "code": [f"{c}{i % 9}" for i, c in enumerate(COINS)]}, "'code' alone tells"),
        ({"y": COINS, "paid": np.where(COINS, NOISE, np.nan)}, "column 'paid' alone tells"),
        ({"y": COINS, "row": np.arange(ROWS) + 7}, "column 'row' only counts the rows"),
        ({"y": COINS, "n": np.random.default_rng(0).permutation(ROWS)}, "'n' only counts the rows"),
    ],
)
def test_a_column_that_tells_the_target_or_counts_the_rows_is_told(data, words):
    found = warned(**data)
    assert [words in sentence for sentence in found] == [True], found


def test_columns_that_only_help_are_not_suspected():
    noisy = BASE["casual"] + BASE["registered"] + NOISE
    nearly = np.where(np.arange(ROWS) == 7, 1 - COINS, COINS)
    assert warned(y=noisy) == []
    assert warned(y=COINS, nearly=nearly) == []
    # Each row has another value, which tells its target of none but itself.
    assert warned(y=COINS, mine=NOISE.round(9)) == []


def test_few_rows_that_chance_may_have_ordered_are_no_proof():
    table = pd.DataFrame({"a": np.arange(10) ** 2.0, "y": [0] * 5 + [1] * 5})
    found = open_source(data=table, target="y").warnings
    assert not any("tells the target" in sentence for sentence in found)


def test_rows_that_stand_there_many_times_do_not_make_their_column_a_leak():
    table = pd.concat([pd.DataFrame({**columns(), "y": COINS})] * 3, ignore_index=True)
    found = open_source(data=table, target="y").warnings
    assert not any("tells the target" in sentence for sentence in found)
    assert any("test rows also stand in train (of 180)" in sentence for sentence in found)


def test_validation_rows_that_stand_in_train_are_told_too():
    table = pd.DataFrame({**columns(), "y": COINS})
    found = open_source(train=table, valid=table.iloc[:9], target="y").warnings
    assert any(sentence.startswith("9 validation rows also stand in train") for sentence in found)


def test_a_column_of_an_array_may_be_the_target_as_well():
    x = np.stack([NOISE, COINS + NOISE / 100], axis=1).astype("float32")
    found = open_source(data=(x, COINS)).warnings
    assert found[0].startswith("column '1' alone tells the target of every row")


def test_rows_with_dates_are_told_that_the_split_is_random_unless_it_is_by_time():
    days = pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d")
    table = pd.DataFrame({**columns(), "day": days, "y": COINS})
    told = "the rows have times ('day') and are split at random"
    assert [told in sentence for sentence in open_source(data=table, target="y").warnings] == [True]
    assert open_source(data=table, target="y", time="day").warnings == ()
    halves = {"train": table[:150], "valid": table[150:200], "test": table[200:]}
    assert open_source(data=halves, target="y").warnings == ()


def test_dates_beside_texts_are_told_too():
    days = pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d")
    words = np.random.default_rng(0).choice(["a", "good", "bad", "film", "plot"], (ROWS, 9))
    table = pd.DataFrame({"said": [" ".join(row) for row in words], "day": days, "y": COINS})
    found = open_source(data=table, target="y").warnings
    assert any("the rows have times ('day')" in sentence for sentence in found)
    assert open_source(data=table, target="y", time="day").facts.vocabulary is not None


def test_a_year_that_is_a_number_is_a_time_too():
    assert "('sale_year')" in warned(y=COINS, sale_year=2000 + np.arange(ROWS) % 20)[0]


def test_a_column_that_names_patients_is_offered_as_the_group_of_rows():
    table = pd.DataFrame({**columns(), "patient_id": np.arange(ROWS) % 50, "y": COINS})
    offered = "rows of one 'patient_id' may belong together"
    assert any(offered in sentence for sentence in open_source(data=table, target="y").notes)
    source = open_source(data=table, target="y", group="patient_id")
    assert not any(offered in sentence for sentence in source.notes)


def test_huge_and_tiny_cells_are_looked_at_without_a_warning_of_the_machine():
    huge = np.where(np.arange(ROWS) % 2, 1e150, -1e150)
    tiny = np.arange(ROWS) * 5e-324
    assert not any("the target is" in each for each in warned(y=NOISE, huge=huge, tiny=tiny))
