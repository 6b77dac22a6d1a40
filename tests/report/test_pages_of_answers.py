"""Several answers on one page, an answer in a notebook, and what the tables of a page hold."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from answers import GAIN, KEPT, RATES, answer
from torch import nn

import advisor
from advisor.comparing.comparison import Comparison, SideGain, SideResult
from advisor.diagnosis.diagnose import diagnose
from advisor.report.comparison_page import comparison_page, sides_table
from advisor.report.several_page import answers_table, several_page, winners_table
from advisor.report.signal_plots import shown_signals
from advisor.report.study_page import study_page
from advisor.report.study_tables import cut_tables, tables_of
from advisor.search.arm import Skip
from advisor.store.database import Database
from advisor.training.ended import Ended
from advisor.verdict.candidates import Candidate
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import (
    Alternative,
    Cost,
    CutTrial,
    Evidence,
    LayerSignal,
    LayerSignals,
    SelectedGain,
    SingleTechnique,
    Verdict,
)
from advisor.verdict.signals import signals_of
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

EVIL = "<script>alert(1)</script>"
SELU = {"activation": "selu"}
SIGNALS = LayerSignals(
    before=[LayerSignal(name, 10.0**-i, 1e-3) for i, name in enumerate(("0", "2", "4"))],
    after=[LayerSignal(name, 0.9, 0.1) for name in ("0", "2", "head")],
)


def technique(name, trials=3, alone=0.95, slot="activation"):
    return SingleTechnique(slot, name, trials, alone, alone, name, False, {})


FULL = replace(
    answer(Evidence.BETTER, "change"),
    signals=SIGNALS,
    isolation=[
        technique("keep", slot=None, alone=0.94),
        technique("selu"),
        technique("elu"),
        technique("gelu", trials=0, alone=None),
    ],
    costs=[Cost(SELU, 0.96, 2.0), Cost(KEPT, 0.94, 1.0)],
    alternatives=[
        Alternative(
            {"activation": "elu"},
            {},
            0.95,
            0.951,
            SelectedGain(0.01, 0.0, 0.02, 0.2, 3),
            1.5,
            "a tie",
        )
    ],
    importance={"activation": 0.01, "initializer": 0.02},
    pruned=[CutTrial(4, "activation=elu", "loss 9", 9.0, Ended.OUTRANKED, 1)],
    skipped=[Skip("embedding", "skipgram", "the model has no embedding table")],
)
KEEPS = replace(FULL, study="wine", verdict=Verdict.KEEP, evidence=Evidence.WORSE, choices=KEPT)
OPEN = replace(KEEPS, study="flowers", verdict=Verdict.UNDECIDED, evidence=Evidence.OPEN)


@pytest.fixture
def url(tmp_path):
    Database(f"sqlite:///{tmp_path}/a.db", ()).close()
    return f"sqlite:///{tmp_path}/a.db"


def compared(first="old.py:Net", other="new.py:Net", warnings=()):
    numbers = {"mean": 0.02, "low": 0.01, "high": 0.03, "p": 0.001, "seeds": 2, "rows": 900}
    about = SideGain(other, Evidence.BETTER, Verdict.CHANGE, least=0.008, level=0.99, **numbers)
    sides = [
        SideResult(
            name, {"training.lr": 0.1, "training.weight_decay": 0.0}, {}, 9, 32, 42, 1.0, scores
        )
        for name, scores in ((first, [0.94, 0.93]), (other, [0.96, 0.95]))
    ]
    return Comparison(
        f"{first} and {other}",
        "accuracy",
        "maximize",
        Verdict.CHANGE,
        Evidence.BETTER,
        0.005,
        sides,
        [about],
        warnings=list(warnings),
    )


def test_your_own_model_stands_in_every_table_that_compares_and_every_number_has_a_meaning():
    tables = dict(tables_of(FULL))
    (cut,) = cut_tables(FULL)
    for name in ("cost", "confirmed", "alternatives", "alone", "undone"):
        table = tables[name]
        (own,) = table.own
        assert "your model" in " ".join(table.rows[own]), name
    assert "your model" in cut.rows[0]
    assert tables["change"].columns[1].name == "your model"
    every = [*tables.values(), cut, shown_signals(SIGNALS).table, sides_table(compared())]
    for table in [*every, answers_table([FULL]), winners_table([FULL])]:
        assert all(column.meaning for column in table.columns if column.is_number)
        assert all(len(row) == len(table.columns) for row in table.rows)
        told = dict(table.meanings)
        assert {column.meaning for column in table.columns} - {""} == set(told.values())


def test_the_signal_of_each_layer_is_shown_before_and_after(url):
    shown = shown_signals(SIGNALS)
    assert [row[0] for row in shown.table.rows] == ["0", "2", "4", "head"]
    assert shown.table.rows[1] == ["2", "0.1", "0.9", "0.001", "0.1"]
    assert shown.table.rows[3][:3] == ["head", "–", "0.9"]
    titles = [dot.title for dot in shown.signal.dots]
    assert titles[1] == "2: 0.1 (your model as it is)"
    assert titles[-1] == "head: 0.9 (with the changes)"
    page = study_page(FULL, url)
    assert 'aria-label="Signal by layer"' in page
    assert 'aria-label="Gradient by layer"' in page
    again = Recommendation.from_json(FULL.to_json())
    assert again.signals == FULL.signals
    older = json.loads(FULL.to_json())
    del older["signals"]
    older = Recommendation.from_json(json.dumps(older))
    assert older.signals == LayerSignals()
    assert "Signal by layer" not in study_page(older, url)


def test_the_signal_is_measured_of_the_model_and_of_what_is_recommended(blobs):
    def net():
        model = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 8), nn.Linear(8, 2))
        nn.init.normal_(model[2].weight, std=1e-9)
        return model

    prepared = prepare(StudyRef.of(advisor.Study("dead", advisor.Task(net, blobs))))
    own = diagnose(prepared.run(0, 0)).measured.signals
    arm = {"activation": "keep", "initializer": "he"}
    mended = signals_of(prepared, own, Candidate(arm, RATES, None), [])
    assert [each.layer for each in mended.before] == ["0", "2", "3"]
    assert mended.before[1].std < 1e-6
    assert mended.after[1].std > 0.01
    kept = Candidate({"activation": "keep", "initializer": "keep"}, RATES, None)
    assert signals_of(prepared, own, kept, []) == replace(mended, after=[])
    assert signals_of(prepared, (), Candidate(arm, RATES, None), []) == LayerSignals(), (
        "as of a script"
    )
    gone = Candidate({"activation": "keep", "initializer": "gone"}, RATES, None)
    assert signals_of(prepared, own, gone, []).after == [], "a picture less, and no error"


def test_several_studies_say_which_techniques_won_where():
    table = winners_table([FULL, KEEPS, OPEN])
    names = [column.name for column in table.columns]
    found = {row[0]: dict(zip(names, row, strict=True)) for row in table.rows}
    assert table.rows[0][0] == "your model"
    assert found["your model"]["won in"] == "wine"
    selu = found["activation=selu"]
    assert selu["won in"] == "digits (+2.1 points)"
    assert selu["lost in"] == "wine (+2.1 points)"
    assert selu["open in"] == "flowers (+2.1 points)"
    assert found["activation=elu"]["tried in"] == "digits, wine, flowers"
    assert found["activation=gelu"]["not tried in"] == "digits, wine, flowers"
    assert found["embedding=skipgram"]["does not fit"] == "digits, wine, flowers"
    assert [row[0] for row in table.rows][1] == "activation=selu", "the winner comes first"

    page = several_page([FULL, KEEPS, OPEN, compared()])
    assert "<h1>4 answers: 2 change, 1 keep, 1 undecided</h1>" in page
    assert page.count('class="advisor-answer') == 4
    assert "Take new.py:Net: +2.0 points of accuracy" in page


def test_several_studies_and_comparisons_are_reported_by_their_names(advise, tmp_path):
    with Database(f"sqlite:///{tmp_path}/a.db", ()) as database:
        for found in (FULL, KEEPS):
            database.study(found.study).save_recommendation(
                found.verdict, found.to_json(), found.evidence
            )
    words = ("report", "digits", "wine", "--storage", "a.db", "-o", "both.html")
    said = advise(*words)
    assert (said.code, said.out) == (0, ""), said.err
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert page == several_page([FULL, KEEPS])
    missing = advise("report", "digits", "wnie", "--storage", "a.db", "-o", "none.html")
    assert missing.code == 2
    assert "wnie" in missing.err
    assert advise("report", "wine", "wine", "--storage", "a.db", "-o", "one.html").code == 0
    assert "<h2>Apply it</h2>" in (tmp_path / "one.html").read_text(encoding="utf-8")


def evil_study():
    names = {
        "choices": {EVIL: EVIL},
        "params": {EVIL: EVIL},
        "gain": replace(GAIN, arm={EVIL: EVIL}),
    }
    skipped = [Skip(EVIL, EVIL, EVIL)]
    signals = LayerSignals([LayerSignal(EVIL, 0.1, 0.1)] * 2, [])
    texts = {"warnings": [EVIL], "apply_with": [EVIL], "skipped": skipped, "signals": signals}
    isolation = [technique("keep", slot=None, alone=0.9), technique(EVIL, slot=EVIL)]
    return replace(FULL, study=EVIL, metric=EVIL, isolation=isolation, **names, **texts)


def test_no_name_is_html_in_a_notebook_or_on_any_page(url):
    study, comparison = evil_study(), compared(EVIL, f"{EVIL}2", [EVIL])
    shown = [
        study._repr_html_(),
        comparison._repr_html_(),
        several_page([study, comparison]),
        comparison_page(comparison),
        study_page(study, url),
    ]
    for page in shown:
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert asdict(study)["study"] == EVIL


def test_a_notebook_shows_the_sentence_and_the_lines_that_apply_it():
    found = replace(FULL, apply_with=["import advisor", "x < y"], warnings=["Mind the gap."])
    html = found._repr_html_()
    assert "Make this change: +2.1 points of accuracy" in html
    assert "import advisor\nx &lt; y" in html
    assert "Mind the gap." in html
    assert "advisor show digits --why" in html
    assert "<html" not in html, "it is a part of a page"


def test_a_notebook_shows_a_diagnosis():
    class Net(nn.Sequential):
        pass

    Net.__name__ = EVIL

    def net():
        return Net(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1))

    data = (torch.randn(60, 4), torch.arange(60) % 3)
    task = advisor.Task(net, data, loss=nn.CrossEntropyLoss())
    report = advisor.diagnose(advisor.Study("small", task))
    html = report._repr_html_()
    assert "<script" not in html
    assert "67 parameters, 2 layers, output probabilities" in html
    assert all(finding.sentence.split(".")[0][:20] in html for finding in report.findings)
    assert "can mend it" in html or not any(finding.slot for finding in report.findings)


@pytest.mark.parametrize("verdict", ["keep", "undecided"])
def test_the_cost_of_the_best_other_arm_stands_beside_the_models_own(verdict):
    selu = {**KEPT, "activation": "selu"}
    costs = [
        Cost(selu, 0.96, 3.0),
        Cost(KEPT, 0.94, 1.5),
        Cost({**KEPT, "activation": "elu"}, 0.9, 9.0),
    ]
    table = dict(tables_of(answer(None, verdict, costs=costs)))["cost"]
    assert table.rows == [
        ["your model", "1.2", "1"],
        ["activation=selu (the best other arm, not recommended)", "3", "2"],
    ]
    # Where nothing else was compared, the model stands alone.
    alone = answer(None, verdict, gain=replace(GAIN, arm={}), costs=costs)
    assert len(dict(tables_of(alone))["cost"].rows) == 1
