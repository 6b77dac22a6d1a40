"""What is wrong with a model: seeded faults are found, healthy models have none, and looking
changes nothing.
"""

import json
import math
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from models import faults
from models.faults import FAULTS, HEALTHY, Patient, run_of, study_of
from torch import nn

import advisor
from advisor.diagnosis.diagnose import diagnose, glance
from advisor.diagnosis.finding import BOUNDS
from advisor.diagnosis.units import units_of
from advisor.report.diagnosis_page import diagnosis_page
from advisor.work.threads import one_thread

DOC = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text()


def kinds(patient: Patient, steps: int = 0) -> set[str]:
    return {finding.kind for finding in diagnose(run_of(patient), steps).findings}


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_found_and_nothing_besides_what_follows_from_it(name):
    found = kinds(FAULTS[name])
    assert found >= FAULTS[name].truth
    assert found <= FAULTS[name].truth | FAULTS[name].also


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_has_no_findings_not_after_twenty_steps_either(name):
    assert kinds(HEALTHY[name], steps=20) == set()


@pytest.mark.parametrize("name", FAULTS)
def test_a_finding_names_place_number_bound_source_and_what_mends_it(name):
    for finding in diagnose(run_of(FAULTS[name])).findings:
        assert finding.threshold == BOUNDS[finding.kind].value
        assert finding.source
        assert finding.place
        assert finding.slot in (None, "initializer", "activation")
        assert finding.sentence.endswith(".")
        assert "  " not in finding.sentence


@pytest.mark.parametrize(
    ("act", "deviation", "share"),
    [("tanh", 11, 1), ("tanh", 1.7, 0), ("hardtanh", 11, 1), ("hardtanh", 1.7, 0), ("relu6", 2, 0)],
)
def test_units_that_are_flat_in_most_rows_are_saturated(act, deviation, share):
    # A start so large leaves a slope in a few rows, whose mean is that of a healthy unit.
    x = deviation * torch.randn(256, 32, generator=torch.Generator().manual_seed(0))
    found = units_of(None, getattr(torch.nn.functional, act), x, "linear")
    assert found.saturated == pytest.approx(share * 32, abs=2)


def test_the_signal_of_a_deep_net_is_the_published_one():
    seen = diagnose(run_of(FAULTS["30 layers, default start"])).measured
    assert seen.weighted[0].std == pytest.approx(0.57, abs=0.03)
    assert seen.weighted[-1].std < 1e-8
    assert seen.cosine == pytest.approx(1.0, abs=1e-6)
    healthy = diagnose(run_of(HEALTHY["30 layers of tanh, Xavier"])).measured
    assert healthy.features == pytest.approx(0.12, abs=0.05)
    assert abs(healthy.cosine) < 0.01


@pytest.mark.parametrize(
    "name",
    [
        "LeNet",
        "residual net with zero last gains",
        "ViT",
        "LSTM",
        "12 layers with batch normalization",
    ],
)
def test_looking_changes_nothing(name):
    run = run_of(HEALTHY[name])
    next(run.model.parameters()).grad = torch.ones_like(next(run.model.parameters()))
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    classes, flags = (
        [type(m) for m in run.model.modules()],
        [m.training for m in run.model.modules()],
    )
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    diagnose(run, steps=3)
    glance(run)
    assert all(torch.equal(value, before[key]) for key, value in run.model.state_dict().items())
    assert [type(m) for m in run.model.modules()] == classes
    assert [m.training for m in run.model.modules()] == flags
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in run.model.modules())
    assert bool((next(run.model.parameters()).grad == 1).all())
    assert all(p.grad is None for p in list(run.model.parameters())[1:])
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1])


def test_the_same_seed_sees_the_same():
    one, other = (diagnose(run_of(HEALTHY["ViT"]), steps=5) for _ in range(2))
    assert [(s.std, s.gradient) for s in one.measured.signals] == [
        (s.std, s.gradient) for s in other.measured.signals
    ]
    assert one.steps == other.steps


class Checkpointed(faults.LeNet):
    def forward(self, x):
        from torch.utils.checkpoint import checkpoint

        return checkpoint(super().forward, x, use_reentrant=False)


def test_checkpointed_models_are_measured_too():
    plain, checkpointed = (
        diagnose(run_of(Patient(build, shape=faults.IMAGE))).measured
        for build in (faults.LeNet, Checkpointed)
    )
    assert [signal.gradient for signal in checkpointed.weighted] == [
        signal.gradient for signal in plain.weighted
    ]


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (
            lambda: faults.plain(2, nn.ReLU, init=lambda w: nn.init.constant_(w, math.nan)),
            "not_finite",
        ),
        (
            lambda: faults.plain(40, nn.ReLU, init=lambda w: nn.init.normal_(w, std=50)),
            "not_finite",
        ),
        (FAULTS["30 layers, default start"].build, "collapses"),
        (FAULTS["50 layers of tanh, default start"].build, "collapses"),
    ],
)
def test_what_no_learning_rate_can_train_is_hopeless(build, word):
    why = glance(run_of(Patient(build))).untrainable
    assert why
    assert word.replace("not_finite", "not finite") in why


@pytest.mark.parametrize(
    "name",
    [
        "30 layers of ReLU, Xavier",
        "6 layers of sigmoid, default start",
        "logits a hundred times too large",
        "zero weights",
    ],
)
def test_what_trains_badly_is_left_to_training_to_judge(name):
    assert glance(run_of(FAULTS[name])).untrainable is None


@pytest.mark.parametrize("name", HEALTHY)
def test_no_healthy_model_is_hopeless(name):
    assert glance(run_of(HEALTHY[name])).untrainable is None


def test_a_frozen_start_and_a_wild_rate_show_in_the_first_steps():
    wild = Patient(lambda: faults.plain(2, nn.ReLU, init=lambda w: nn.init.normal_(w, std=1e-9)))
    assert "large_update" in kinds(wild, steps=10)


def test_a_search_does_not_train_hopeless_arms_and_says_why(tmp_path):
    one_thread()
    task = study_of(FAULTS["30 layers, default start"]).task
    only = {
        "activation": ["gelu"],
        "initializer": ["orthogonal"],
        "pretraining": [],
        "embedding": [],
    }
    study = advisor.Study("deep", task, trials=3, epochs=2, seeds=5, only=only)
    found = advisor.tune(study, storage=f"sqlite:///{tmp_path}/a.db", workers=0)
    from advisor.store.query import read

    rows = read(
        f"sqlite:///{tmp_path}/a.db",
        "SELECT number, state, activation, initializer FROM advisor_trials ORDER BY 1",
    )[1]
    assert [tuple(row) for row in rows][1] == (1, "PRUNED", "gelu", "keep")
    assert {"collapsed", "vanishing", "default_start"} <= {
        finding.kind for finding in found.findings
    }
    assert found.verdict == "change"
    assert any(
        "The signal collapses" in reason and "With the change it is" in reason
        for reason in found.reasons
    )


# ---------------------------------------------------------------- what people see

STUDY = """\
import sys
sys.path.insert(0, {tests!r})
from models.faults import FAULTS, HEALTHY, study_of
study = study_of({table}[{name!r}])
"""


@pytest.fixture
def study(write):
    def make(name):
        table = "FAULTS" if name in FAULTS else "HEALTHY"
        return write(
            "study.py", STUDY.format(tests=str(Path(__file__).parents[1]), table=table, name=name)
        )

    return make


@pytest.mark.parametrize(
    "name", ["30 layers, default start", "cloned encoder layers", "LeNet", "LSTM", "ViT"]
)
def test_a_page_fits_into_eighty_columns(advise, study, name):
    said = advise("diagnose", study(name), "--steps", "10")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    assert not [line for line in said.out.splitlines() if line != line.rstrip()]
    for title in (
        "layer",
        "Activations",
        "The first 10 steps",
        "What is wrong",
        "What can be tried",
    ):
        assert title in said.out
    assert ("The signal collapses" in said.out) == (name == "30 layers, default start")


def test_the_json_has_what_the_page_has(advise, study):
    found = json.loads(advise("diagnose", study("30 layers, default start"), "--json").out)
    assert found["output"] == "logits"
    assert len(found["sites"]) == 30
    assert set(found["sites"][0]) >= {"id", "kind", "label", "reason", "calls"}
    assert set(found["layers"][0]) >= {"name", "kind", "followed_by"}
    assert set(found["findings"][0]) == {
        "kind",
        "place",
        "number",
        "threshold",
        "source",
        "slot",
        "sentence",
    }
    assert found["fits"]["activation"]["elu"] is None
    assert "has it already" in found["fits"]["activation"]["relu"]
    assert "no embedding table" in found["fits"]["embedding"]["skipgram"]


BROKEN = """\
import advisor, torch
from torch import nn

def net():
    model = nn.Linear(2, 2)
    nn.init.constant_(model.weight, float("nan"))
    return model

x = torch.randn(60, 2)
study = advisor.Study("nan", advisor.Task(net, (x, (x[:, 0] > 0).long())))
"""


def test_numbers_that_json_does_not_have_are_null(advise, write):
    found = json.loads(
        advise("diagnose", write("nan.py", BROKEN), "--json").out, parse_constant=pytest.fail
    )
    assert found["signal"]["loss"] is None
    assert found["findings"][0]["kind"] == "not_finite"


def test_the_html_page_is_whole_and_escaped(advise, study, tmp_path):
    said = advise("diagnose", study("30 layers, default start"), "-o", "out/page.html")
    assert said.code == 0
    text = (tmp_path / "out" / "page.html").read_text()
    assert len(re.findall(r"<circle[^>]*><title>", text)) == 62  # those of the key have no title
    assert "http" not in text.replace("http-equiv", "")


def test_what_a_user_named_cannot_become_html():
    class Net(nn.Sequential):
        pass

    Net.__name__ = "<script>alert(1)</script>"
    x = torch.randn(60, 2)
    study = advisor.Study(
        "<b>",
        advisor.Task(
            lambda: Net(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), (x, (x[:, 0] > 0).long())
        ),
    )
    text = diagnosis_page(advisor.diagnose(study))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<b>:" not in text


def test_a_page_that_cannot_be_written_is_an_error_with_a_name(advise, study, tmp_path):
    (tmp_path / "file").write_text("")
    said = advise("diagnose", study("LeNet"), "-o", "file/page.html")
    assert said.code == 2
    assert "file/page.html" in said.err
    assert "Traceback" not in said.err


class Nothing(nn.Module):
    def forward(self, x):
        return x[:, :10]


def test_a_model_with_nothing_to_train_is_told_so(advise, write):
    with pytest.raises(advisor.InputError, match="there is nothing to train"):
        kinds(Patient(Nothing))
    code = "import advisor, torch\nfrom torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return x\n"
    made = "x = torch.randn(60, 2)\nstudy = advisor.Study('n', advisor.Task(Net, (x, (x[:, 0] > 0).long())))\n"
    said = advise("diagnose", write("nothing.py", code + made))
    assert said.code == 2
    assert "Net has no parameter, so there is nothing to train" in said.err


def test_every_finding_is_documented_with_its_bound():
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", DOC, re.MULTILINE))
    assert set(rows) == set(BOUNDS)
    for kind, bound in BOUNDS.items():
        assert f"{bound.value:g}" in rows[kind], kind
