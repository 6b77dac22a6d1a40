from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from advisor.data import Source, open_source
from advisor.data.notes import Notes
from advisor.data.readers import read_splits
from advisor.errors import InputError


def opened(folder, content: str | bytes, name: str = "data.csv", **options) -> Source:
    text = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(text)
    return open_source(data=str(folder / name), **options)


def table_of(folder, content: str | bytes, name: str = "data.csv") -> tuple[pd.DataFrame, Notes]:
    text = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(text)
    notes = Notes()
    return read_splits({"data": str(folder / name)}, None, notes)["train"].inputs, notes


def told(source: Source | Notes) -> str:
    return "\n".join([*source.notes, *source.warnings])


def repeated(rows: str, times: int = 10) -> str:
    return "".join(f"{row}\n" for row in rows.split("|") * times)


REVIEWS = [f"a film that I saw number {i}" for i in range(30)]
HEADERS = {
    "pandas' row numbers over words": (",colour,label\n" + "".join(f"{i},{['red', 'blue'][i % 2]},yes\n" for i in range(20)), True),
    "row numbers over written numbers": (
        ",price,sold\n" + "".join(f'{i},"${i},234",yes\n' for i in range(1, 20)), True),
    "years over decimals": ("2018,2019,2020\n" + repeated("0.5,0.25,0.75|0.1,0.2,0.3"), True),
    "years beside a name": ("country,2018,2019,2020\n" + repeated("Peru,1.5,2.5,1|Chile,0.5,1.5,0"), True),
    "years beside large numbers": ("town,2018,2019,2020\n" + repeated("Peru,1800,2300,1|Chile,2500,1500,0"), True),
    "names over words": ("colour,size\n" + repeated("red,big|blue,small"), True),
    "names over texts": ("text,label\n" + "".join(f"{text},{'ab'[i % 2]}\n" for i, text in enumerate(REVIEWS)), True),
    "names over dates": ("day,y\n" + repeated("1/5/2020,a|25/12/2021,b"), True),
    "names over gaps": ("a,b,y\n" + repeated(",1,0|2,,1"), True),
    "numbers over numbers": (repeated("5.1,3.5,a|4.9,3.0,b"), False),
    "a gap over numbers": ("?,3.5,a\n" + repeated("5.1,3.5,a|4.9,3.0,b"), False),
    "an empty cell over numbers": (",3.5,a\n" + repeated("5.1,3.5,a|4.9,3.0,b"), False),
    "written numbers over such": (repeated('"$1,234",12.5%|"$999",3%'), False),
    "dates over dates": (repeated("11/10/2016,a|8/23/2015,b"), False),
    "letters of mushrooms": ("p,x,once\n" + repeated("p,x,n|e,b,y"), False),
    "texts with labels": ("".join(f"{text},{'ab'[i % 2]}\n" for i, text in enumerate(REVIEWS)), False),
    "a short text with its label": ("nothing,a\n" + "".join(f"{text},{'ab'[i % 2]}\n" for i, text in enumerate(REVIEWS)), False),
    "ids": ("".join(f"AG{i:05},{'ab'[i % 2]}\n" for i in range(30)), False),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_the_first_row_is_a_header_where_it_is_none_of_the_cells_below_it(tmp_path, name):
    content, is_header = HEADERS[name]
    table, notes = table_of(tmp_path, content)
    assert len(table) == content.count("\n") - is_header
    assert ("looks like data" in told(notes)) != is_header
    assert "Unnamed: 0" not in table.columns


NUMBERS = {
    "thousands": (["2,993", "634", "12,345"], [2993, 634, 12345]),
    "thousands and decimals": (["1,234.5", "2.25", "3"], [1234.5, 2.25, 3]),
    "decimal commas": (["1,5", "2", "0,25"], [1.5, 2, 0.25]),
    "decimal commas with three decimals": (["0,125", "1,250", "2,375"], [0.125, 1.25, 2.375]),
    "decimal commas and points of thousands": (["1.234,5", "2", "1.234.567"], [1234.5, 2, 1234567]),
    "blanks of thousands": (["1 234,5", "12\u00a0000", "3"], [1234.5, 12000, 3]),
    "apostrophes": (["1'234.50", "12’000", "3"], [1234.5, 12000, 3]),
    "lakhs": (["1,23,456", "12,34,567.5", "999"], [123456, 1234567.5, 999]),
    "dollars": (["$1,234", "-$5.50", "$-7", "($300)"], [1234, -5.5, -7, -300]),
    "euros behind": (["5,50 €", "1.200 €", "7 €"], [5.5, 1200, 7]),
    "currency codes": (["USD 5", "USD 1,200", "7.5"], [5, 1200, 7.5]),
    "per cent": (["12.5%", "3 %", "-1%"], [12.5, 3, -1]),
    "magnitudes": (["1.2M", "350K", "20"], [1.2e6, 350e3, 20]),
    "units": (["5 km", "7.5km", "1,200 km"], [5, 7.5, 1200]),
    "minus signs of typographers": (["\u22125.1", "3", "2.5"], [-5.1, 3, 2.5]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_as_people_write_them_are_read_and_told(tmp_path, name):
    cells, values = NUMBERS[name]
    lines = "".join(f'"{cell}";{row % 2};w{row % 3}\n' for row, cell in enumerate(cells * 10))
    (tmp_path / "data.csv").write_text("amount;y;word\n" + lines)
    source = open_source(data="data.csv", target="amount", kind="regression", folder=tmp_path)
    mean, deviation = source.target_scale
    splits = source.splits(0)
    read = np.concatenate(
        [part.target.numpy() for part in (splits.train, splits.valid, splits.test)]
    )
    expected = np.sort(np.array(values * 10, float))
    np.testing.assert_allclose(
        np.sort(read) * deviation + mean, expected, rtol=1e-4, atol=1e-3 * deviation
    )
    assert "'amount' (" in told(source)


@pytest.mark.parametrize(
    "cells",
    [["AG01", "AG02"], ["x1", "x2"], ["1st", "2nd", "3rd"], ["10-20", "20-30"], ["2d", "3d"],
     ["5", "5more"], ["$5", "€7"], ["<=50K", ">50K"], ["1.2.3", "2.0.1"], ["3:1", "2:0"]],
)  # fmt: skip
def test_words_with_digits_stay_words(tmp_path, cells):
    lines = "".join(f"{cell},{row % 2}\n" for row, cell in enumerate(cells * 20))
    source = opened(tmp_path, "code,y\n" + lines, target="y")
    assert source.facts.inputs == ((len(cells),),)
    assert "read as" not in told(source)


def test_each_column_has_a_number_format_of_its_own_whatever_stands_beside_it(tmp_path):
    rows = "".join(f"{i},{i}5;{i % 28 + 1}.3.2021;{i}.25;{i % 2}\n" for i in range(30))
    table = opened(tmp_path, "price;day;size;y\n" + rows, target="y")
    assert table.facts.inputs == ((3,),)
    assert "'price' ('0,05' → 0.05)" in told(table) or "'price' ('0,05'" in told(table)
    assert "column 'day': dates, '1.3.2021' is 2021-03-01, day first" in told(table)


def test_a_price_column_with_a_few_other_words_stays_a_column_of_numbers(tmp_path):
    cells = [f"{i},5" for i in range(58)] + ["auf Anfrage", "5.3.2021"]
    source = opened(
        tmp_path, "a;y\n" + "".join(f"{cell};{i % 2}\n" for i, cell in enumerate(cells))
    )
    assert source.facts.inputs == ((1,),)
    assert "cells that are no numbers count as gaps ('auf Anfrage', '5.3.2021')" in told(source)
    assert "filled 2 missing values in a" in told(source)
    rows = "".join(f"{i};{cell}\n" for i, cell in enumerate(cells))
    (tmp_path / "p.csv").write_text("a;price\n" + rows)
    notes = Notes()
    with pytest.raises(InputError, match="2 empty or NaN targets") as caught:
        open_source(data=str(tmp_path / "p.csv"), target="price", notes=notes)
    assert "first in row 59" in str(caught.value)
    assert "'auf Anfrage'" in told(notes)


def test_a_file_with_decimal_commas_has_points_of_thousands(tmp_path):
    rows = "".join(f"{i},5;{i + 1}.250;{i % 2}\n" for i in range(30))
    source = opened(tmp_path, "a;b;y\n" + rows, target="y")
    assert "'b' ('1.250' → 1250)" in told(source)
    rows = "".join(f"{i}.5,{i + 1}.250,{i % 2}\n" for i in range(30))
    assert "read as" not in told(opened(tmp_path, "a,b,y\n" + rows, target="y"))


DATES = {
    "month first": (["11/10/2016", "8/23/2015"], "2016-11-10, month first"),
    "day first": (["11/10/2016", "23/8/2015"], "2016-10-11, day first"),
    "points": (["05.03.2021", "06.03.2021"], "2021-03-05, day first"),
    "two digits of the year": (["01/25/20", "02/26/21"], "2020-01-25, month first"),
    "months by name": (["Jan 5, 2020", "Feb 7, 2021"], "2020-01-05"),
    "months in the middle": (["5-Mar-21", "16-Sep-20"], "2021-03-05"),
    "weekdays": (["Mon, 05 Jan 2020 10:00:00 GMT", "Tue, 06 Jan 2020 11:30:00 +0200"], "2020-01-05"),
    "ordinals": (["5th March 2021", "1st April 2021"], "2021-03-05"),
    "noon and midnight": (["1/25/2020 3:04 PM", "1/26/2020 12:04 AM"], "2020-01-25, month first"),
    "months": (["2020-01", "2020-02"], "2020-01-01"),
    "two formats": (["2020-01-05", "01/25/2020"], "2020-01-05, month first"),
    "logs": (["05/Jan/2020:10:00:00 +0000", "06/Jan/2020:10:00:00 +0000"], "2020-01-05"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATES)
def test_dates_in_any_form_are_days(tmp_path, name):
    cells, words = DATES[name]
    lines = "".join(f'"{cell}",{row % 2}\n' for row, cell in enumerate(cells * 10))
    source = opened(tmp_path, "day,y\n" + lines, target="y")
    assert source.facts.inputs == ((1,),)
    assert f"column 'day': dates, {cells[0]!r} is {words}" in told(source)


def test_times_of_day_are_numbers(tmp_path):
    lines = "".join(f"{cell},{row % 2}\n" for row, cell in enumerate(["12:30", "3:45 PM"] * 10))
    assert opened(tmp_path, "at,y\n" + lines).facts.inputs == ((1,),)


def test_day_and_month_that_cannot_be_told_apart_are_warned_of_or_read_as_another_column(tmp_path):
    rows = "".join(f"{i % 9 + 1}/{i % 11 + 1}/2020,{i % 2}\n" for i in range(30))
    assert "nothing shows whether" in told(opened(tmp_path, "a,y\n" + rows))
    rows = "".join(
        f"{i % 9 + 1}/{i % 11 + 1}/2020,{i % 9 + 20}/1/2020,{i % 2}\n" for i in range(30)
    )
    source = opened(tmp_path, "a,b,y\n" + rows)
    assert "nothing shows" not in told(source)
    assert "'a': dates, '1/1/2020' is 2020-01-01, day first" in told(source)


def test_splits_are_read_alike_and_what_only_test_rows_have_is_a_gap(tmp_path):
    train = pd.DataFrame({"a": ["1,500", "900", "2,250"] * 10, "y": [0, 1] * 15})
    test = pd.DataFrame({"a": [700, 800, 3] * 4, "y": [0, 1] * 6})
    odd = test.assign(a="sold")
    assert open_source(train=train, test=test).facts.inputs == ((1,),)
    source = open_source(train=train, test=odd)
    assert source.facts.inputs == ((1,),)
    assert "no numbers count as gaps ('sold')" in told(source)


@pytest.mark.parametrize(
    ("encoding", "text", "words"),
    [
        ("cp1252", "“café” – 5 €", "read as Windows-1252"),
        ("latin-1", "café", "read as Latin-1"),
        ("utf-8", "“café”", ""),
        ("utf-8-sig", "“café”", ""),
        ("utf-16", "“café”", ""),
        ("utf-16-le", "“café”", "read as UTF-16-LE"),
        ("utf-32", "“café”", ""),
    ],
)
def test_an_encoding_is_found_out_and_told(tmp_path, encoding, text, words):
    lines = "word,label\n" + repeated(f"{text},a|tea,b")
    table, notes = table_of(tmp_path, lines.encode(encoding))
    assert table["word"][0] == text
    assert words in told(notes)
    assert ("not UTF-8" in told(notes)) == bool(words)


def test_one_wrong_byte_among_letters_of_utf_8_leaves_the_others_as_they_are(tmp_path):
    content = ("word,label\n" + repeated("Žluťoučký,a|kůň,b")).encode() + b"caf\xe9,a\n"
    table, notes = table_of(tmp_path, content)
    assert table["word"][0] == "Žluťoučký"
    assert table["word"].iloc[-1] == "café"
    assert "UTF-8 with 1 byte of Windows-1252" in told(notes)


def test_a_lone_quote_swallows_no_row_and_cells_of_several_lines_stay_whole(tmp_path):
    lines = [f"{text},{'ab'[i % 2]}" for i, text in enumerate(REVIEWS)]
    lines[3] = '"Great film,b'
    lines[9] = '5" of film,b'
    lines[12] = '"quoted, with a comma",a'
    lines[17] = '"never closed,b'
    table, notes = table_of(tmp_path, "text,label\n" + "\n".join(lines) + "\n")
    assert len(table) == 30
    assert set(table["label"]) == {"a", "b"}
    assert [table["text"][i] for i in (3, 12, 17)] == [
        '"Great film',
        "quoted, with a comma",
        '"never closed',
    ]
    assert "2 lines (5, 19) open a quote that is never closed" in told(notes)

    lines[3] = '"A cell\nof two lines, with a comma",b'
    table, notes = table_of(tmp_path, "text,label\n" + "\n".join(lines[:17]) + "\n")
    assert len(table) == 17
    assert table["text"][3] == "A cell\nof two lines, with a comma"
    assert "never closed" not in told(notes)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("sep=;\na;b;y\n" + repeated("1;2;x|3;4;z"), ["a", "b", "y"]),
        ("# written by a tool\na,b,y\n" + repeated("1,2,x|3,4,z"), ["a", "b", "y"]),
        ("Sales of 2024\n\na,b,y\n" + repeated("1,2,x|3,4,z"), ["a", "b", "y"]),
        ("a,b,y,\n" + repeated("1,2,x,|3,4,z,"), ["a", "b", "y"]),
        ("a,b,y\n" + repeated("1,2,x,|3,4,z,"), ["a", "b", "y"]),
        ('"a","b","y"\n' + "".join(f'"{i}",{i % 7},{i % 3},x\n' for i in range(1, 21)), ["a", "b", "y"]),
        ("a,b,y\n" + repeated("1,2,x|3,4,z") + ",,\n,,\n", ["a", "b", "y"]),
        ("a,b,y\r" + repeated("1,2,x|3,4,z").replace("\n", "\r"), ["a", "b", "y"]),
        ("a|b|y\n" + "1|2|x\n3|4|z\n" * 10, ["a", "b", "y"]),
        ("a;b;y\n" + repeated("1,5;2,25;x|3,5;4,75;z"), ["a", "b", "y"]),
    ],
)  # fmt: skip
def test_what_stands_around_a_table_is_left_out(tmp_path, content, columns):
    table, _ = table_of(tmp_path, content)
    assert [*table.columns] == columns
    assert len(table) == 20


def test_an_index_that_says_something_is_a_column_from_a_file_and_from_a_frame(tmp_path):
    days = pd.date_range("2024-01-01", periods=30, name="day")
    table = pd.DataFrame({"a": range(30), "y": [0, 1] * 15}, index=days)
    table.to_parquet(tmp_path / "data.parquet")
    for data in (str(tmp_path / "data.parquet"), table):
        source = open_source(data=data, target="y")
        assert source.facts.inputs == ((2,),)
        assert "its index is read as 'day'" in told(source)
    shuffled = table.reset_index(drop=True).sample(frac=1, random_state=0)
    assert open_source(data=shuffled, target="y").facts.inputs == ((1,),)


X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2


@pytest.mark.parametrize(
    "names",
    ["features labels", "X y", "data target", "inputs targets", "X_train y_train", "train_x train_y",
     "xtrain ytrain", "trainX trainY", "train_features train_labels", "features label"],
)  # fmt: skip
def test_arrays_are_found_by_the_names_that_people_give_them(tmp_path, names):
    x, y = names.split()
    np.savez(tmp_path / "data.npz", **{x: X, y: Y}, feature_names=np.array(["a", "b", "c"]))
    source = open_source(data="data.npz", folder=tmp_path)
    assert (source.facts.rows, source.facts.inputs) == (40, ((3,),))
    assert "not read: feature_names" in told(source)


def test_the_arrays_of_medmnist_are_images_in_three_splits(tmp_path):
    draw = np.random.default_rng(0)
    for shape, expected in (((8, 8), (1, 8, 8)), ((8, 8, 3), (3, 8, 8))):
        arrays = {}
        for split, rows in (("train", 40), ("val", 12), ("test", 14)):
            arrays[f"{split}_images"] = draw.integers(0, 255, (rows, *shape)).astype(np.uint8)
            arrays[f"{split}_labels"] = np.arange(rows).reshape(-1, 1).astype(np.uint8) % 3
        np.savez(tmp_path / "data.npz", **arrays)
        source = open_source(data="data.npz", folder=tmp_path)
        assert source.facts.inputs == (expected,)
        assert source.facts.sizes == {"train": 40, "valid": 12, "test": 14, "unlabeled": 0}


RECORDS = [{"text": text, "label": "ab"[i % 2]} for i, text in enumerate(REVIEWS)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.jsonl", "".join(json.dumps(record) + "\n" for record in RECORDS)),
        ("data.ndjson", "\n" + "".join(json.dumps(record) + "\n\n" for record in RECORDS)),
        ("data.json", json.dumps(RECORDS, indent=1)),
        ("data.json", "".join(json.dumps(record) + "\n" for record in RECORDS)),
        ("data.json", json.dumps({"version": 1, "rows": RECORDS})),
        ("data.json", pd.DataFrame(RECORDS).to_json()),
        ("data.json", json.dumps({"train": RECORDS})),
        ("data.txt", "".join(f"{record['label']}\t{record['text']}\n" for record in RECORDS)),
        ("data.txt", "".join(f"{record['label']} {record['text']}\n" for record in RECORDS)),
        ("data.tsv", "".join(f"{record['text']}\t{record['label']}\n" for record in RECORDS)),
        ("data.csv", "".join(f"{record['text']},{record['label']}\n" for record in RECORDS)),
        ("data.train", "".join(f"__label__{record['label']} {record['text']}\n" for record in RECORDS)),
        ("data.train", "".join(f"{record['label']} {record['text']}, and so on\n" for record in RECORDS)),
    ],
)  # fmt: skip
def test_texts_with_labels_are_read_from_any_file_of_lines_or_records(tmp_path, name, content):
    source = opened(tmp_path, content, name)
    assert source.facts.rows == 30
    assert source.facts.classes == ("a", "b")
    assert source.facts.vocabulary is not None
    assert "'label' is taken as the target" in told(source)


def test_records_may_nest_and_hold_lists(tmp_path):
    records = [
        {"a": {"b": i, "c": [i, 2 * i]}, "words": ["red", "car"], "y": i % 2} for i in range(30)
    ]
    table, notes = table_of(tmp_path, json.dumps(records), "data.json")
    assert [*table.columns] == ["words", "y", "a.b", "a.c.0", "a.c.1"]
    assert "'words': lists of words are read as texts" in told(notes)
    for odd in ([1], [1, 2, 3], {"d": 1}):
        records[0] = {"a": {"b": 0, "c": odd}, "words": [], "y": 0}
        if isinstance(odd, list):
            with pytest.raises(InputError, match=r"column 'a\.c' holds"):
                table_of(tmp_path, json.dumps(records), "data.json")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("data.jsonl", '{"a": 1}\n{"a": \n', ["line 2", "no JSON", "{"]),
        ("data.jsonl", "[1, 2]\n" * 12, ["line 1", "'[1, 2]'", "record"]),
        ("data.json", "[[1, 2], [3, 4]]", ["records", "FILE.py:NAME"]),
        ("data.json", '{"a": [1, 2], "b": [1]}', ["columns differ in length"]),
        ("data.txt", "\n", ["empty"]),
        ("data.txt", "It was a dark night.\nSo it was\nreally.\n" * 9, ["neither a table", "dark night"]),
        ("data.csv", "a,col1\n" + "".join(f"{i % 3},{'word ' * 3000}{i}\n" for i in range(12)), ["different labels"]),
    ],
)  # fmt: skip
def test_files_at_fault_are_told_with_their_place_and_without_whole_documents(
    tmp_path, name, content, words
):
    with pytest.raises(InputError) as caught:
        opened(tmp_path, content, name, target="col1" if name == "data.csv" else None)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value)) < 1000


def test_whitespace_may_stand_between_numbers(tmp_path):
    rows = "".join(f"  {i}.5   {i % 4}.25  {i % 2}\n" for i in range(30))
    source = opened(tmp_path, rows, "housing.data", target="col2")
    assert source.facts.inputs == ((2,),)
    assert "between blanks" in told(source)


def test_what_was_read_stands_beside_an_error_of_the_study(tmp_path):
    from advisor.data.notes import told_beside_errors

    notes = Notes()
    (tmp_path / "data.csv").write_text("a,y\n" + repeated('"$1,234",x|"$5",x'))
    with pytest.raises(InputError) as caught, told_beside_errors(notes):
        open_source(data=str(tmp_path / "data.csv"), notes=notes)
    first, _, rest = str(caught.value).partition("\n")
    assert "one class only" in first
    assert "  - read as numbers: 'a' ('$1,234' → 1234)" in rest


def test_a_large_table_of_words_is_read_in_a_moment():
    cells = [f"${i:,}.50" for i in range(20000)]
    text = "a,day,y\n" + "".join(
        f'"{cell}",{i % 28 + 1}/3/2021,{i % 2}\n' for i, cell in enumerate(cells)
    )
    table = pd.read_csv(io.StringIO(text))
    assert open_source(data=table, target="y").facts.inputs == ((2,),)


@pytest.mark.parametrize("name", ["data.csv.gz", "data.zip", "data.tgz"])
def test_what_is_packed_is_read_and_nothing_stays_behind(tmp_path, monkeypatch, name):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inside = tmp_path / "inside"
    (inside / "train").mkdir(parents=True)
    lines = "a,y\n" + repeated("1,0|2,1")
    (tmp_path / "data.csv").write_text(lines)
    if name == "data.csv.gz":
        (tmp_path / name).write_bytes(gzip.compress(lines.encode()))
    elif name == "data.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.write(tmp_path / "data.csv", "folder/data.csv")
    else:
        for kind in "ab":
            (inside / "train" / kind).mkdir()
            for number in range(10):
                pixels = np.full((4, 4), 9 * number, np.uint8)
                Image.fromarray(pixels).save(inside / "train" / kind / f"{number}.png")
        with tarfile.open(tmp_path / name, "w:gz") as packed:
            packed.add(inside / "train", "train")
    source = open_source(data=str(tmp_path / name))
    assert source.facts.rows == 20
    assert source.facts.inputs == (((1, 4, 4),) if name == "data.tgz" else ((1,),))
    assert not [*tmp_path.glob("advisor-unpacked-*")]


def test_a_damaged_archive_is_told_with_its_name(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"data\.zip cannot be unpacked"):
        open_source(data=str(tmp_path / "data.zip"))


def test_the_files_of_mnist_are_images_with_labels(tmp_path):
    draw = np.random.default_rng(0)
    for split, rows in (("train", 40), ("t10k", 12)):
        images = draw.integers(0, 255, (rows, 5, 6)).astype(np.uint8)
        head = bytes([0, 0, 8, 3]) + np.array(images.shape, ">i4").tobytes()
        (tmp_path / f"{split}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = (np.arange(rows) % 3).astype(np.uint8)
        packed = bytes([0, 0, 8, 1]) + np.array([rows], ">i4").tobytes() + labels.tobytes()
        (tmp_path / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(packed))
    source = open_source(data=str(tmp_path))
    assert source.facts.inputs == ((1, 5, 6),)
    assert source.facts.sizes["test"] == 12
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte cannot be read as an IDX file"):
        open_source(data=str(tmp_path))


def test_a_folder_has_a_file_for_each_split(tmp_path):
    for name, rows in (("train.csv", 30), ("my_test.csv", 12)):
        lines = "".join(f"{i % 7},{i % 2}\n" for i in range(rows))
        (tmp_path / name).write_text("a,y\n" + lines)
    source = open_source(data=str(tmp_path))
    assert (source.facts.rows, source.facts.sizes["test"]) == (42, 12)


def test_frames_as_pandas_makes_them_are_read_or_told():
    y = [0, 1] * 10
    pivot = pd.DataFrame({("a", "mean"): range(20), ("y", ""): y})
    assert open_source(data=pivot, target="y").facts.inputs == ((1,),)
    index = pd.DataFrame({"a": range(20), "y": y}, index=pd.Index(y, name="y"))
    assert "'y (index)'" in told(open_source(data=index, target="y"))
    assert [*index.columns] == ["a", "y"], "the user's own frame is left as it is"
    assert index.index.name == "y"
    lists = pd.DataFrame({"a": [[i, 2, i % 3] for i in range(20)], "y": y})
    assert open_source(data=lists, target="y").facts.inputs == ((2,),)
    with pytest.raises(InputError, match="complex numbers in 'a'"):
        open_source(data=pd.DataFrame({"a": np.arange(20) * 1j, "y": y}), target="y")


def test_cells_of_several_lines_in_every_row_hide_no_separator(tmp_path):
    lines = "".join(
        f'"It was fine, ""really""\nand so on {i}",{i % 7},{i % 2}\n' for i in range(40)
    )
    table, notes = table_of(tmp_path, "comment,a,y\n" + lines)
    assert table.shape == (40, 3)
    assert "never closed" not in told(notes)


def test_none_may_be_a_class(tmp_path):
    lines = "".join(f"{i},{['None', 'some'][i % 2]}\n" for i in range(30))
    assert opened(tmp_path, "a,y\n" + lines).facts.classes == ("None", "some")
