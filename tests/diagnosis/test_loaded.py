"""Weights that a model's constructor loads: they are told, and techniques leave them alone."""

import pytest
import torch
from models.faults import Patient, plain, study_of
from models.silent import of
from models.well import texts
from torch import nn

import advisor
from advisor.diagnosis.diagnose import diagnose
from advisor.report.diagnosis_page import diagnosis_page
from advisor.report.diagnosis_text import show_findings
from advisor.report.text import console
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


@pytest.fixture
def trained(tmp_path):
    """A file with the weights of a deep net, ten times as large as a start."""
    torch.manual_seed(5)
    model = plain(9, nn.ReLU)
    torch.save({name: 3 * value for name, value in model.state_dict().items()}, tmp_path / "w.pt")
    return tmp_path / "w.pt"


def whole(file):
    def build():
        model = plain(9, nn.ReLU)
        model.load_state_dict(torch.load(file, weights_only=True))
        return model

    return build


def trunk(file):
    def build():
        model = plain(9, nn.ReLU)
        state = torch.load(file, weights_only=True)
        kept = {name: value for name, value in state.items() if not name.startswith("18.")}
        model.load_state_dict(kept, strict=False)
        return model

    return build


def frozen_trunk(file):
    def build():
        model = trunk(file)()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith("18."))
        return model

    return build


class Loads(nn.Sequential):
    """A class that loads its weights in its own constructor."""

    def __init__(self, file):
        super().__init__(*plain(9, nn.ReLU))
        self.load_state_dict(torch.load(file, weights_only=True))


def of_class(file):
    return lambda: Loads(file)


def told(build, **more):
    prepared = prepare(StudyRef.of(study_of(Patient(build, **more))))
    return diagnose(prepared.run(0, 0)), prepared


@pytest.mark.parametrize(
    ("make", "share"), [(whole, 1), (of_class, 1), (trunk, 0.98), (frozen_trunk, 0.98)]
)
def test_loaded_weights_are_told_and_their_size_is_no_finding(trained, make, share):
    diagnosis, _ = told(make(trained))
    assert diagnosis.of("loaded").number == pytest.approx(share, abs=0.02)
    wrong = {finding.kind for finding in diagnosis.findings}
    assert not wrong & {"default_start", "large_head"}
    if share == 1:
        assert "large_logits" not in wrong


def test_what_was_loaded_is_shown_as_known_and_not_as_wrong(trained, capsys):
    report = advisor.diagnose(study_of(Patient(whole(trained))))
    show_findings(console(), report.findings)
    said = capsys.readouterr().out
    page = diagnosis_page(report)
    for text in (said, page):
        wrong, known = text.index("Nothing that a look"), text.index("What is to be known")
        assert wrong < known < text.index("under two seeds")


def test_no_technique_that_makes_a_start_fits_what_was_loaded(trained):
    report = advisor.diagnose(study_of(Patient(whole(trained))))
    for slot in ("initializer", "pretraining"):
        for name, why in report.fits[slot].items():
            assert why is not None, name
    assert "loaded" in report.fits["initializer"]["he"]


def test_an_initializer_fills_only_what_was_not_loaded(trained):
    run = told(trunk(trained))[1].run(3, 0)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    technique = advisor.diagnose(study_of(Patient(trunk(trained)))).prepared.host.find(
        "initializer", "he"
    )
    assert "initialized 1 layer" in technique.apply(run)
    changed = {
        name
        for name, value in run.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed <= {"18.weight", "18.bias"}
    assert "18.weight" in changed


def test_word_vectors_do_not_fit_a_table_that_was_loaded():
    torch.manual_seed(1)
    rows = torch.randn(50, 16)
    build = of(
        lambda m, x: m.b(m.e(x).mean(1)),
        e=lambda: nn.Embedding.from_pretrained(rows.clone(), freeze=False),
        b=lambda: nn.Linear(16, 2),
    )
    diagnosis, _ = told(build, data=texts)
    assert diagnosis.of("loaded").place == "e"
    report = advisor.diagnose(study_of(Patient(build, data=texts)))
    assert "loaded" in report.fits["embedding"]["skipgram"]


@pytest.mark.parametrize("seeds_itself", [True, False])
def test_a_constructor_that_sets_a_seed_or_a_pattern_has_loaded_nothing(seeds_itself):
    def build():
        if seeds_itself:
            torch.manual_seed(0)
        model = plain(2, nn.ReLU)
        if not seeds_itself:
            nn.init.eye_(model[2].weight)
        return model

    assert told(build)[0].of("loaded") is None
