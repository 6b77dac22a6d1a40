"""Initial weights written as lines of plain PyTorch: the same law, in the user's own file."""

import subprocess

import pytest
import torch
from torch import nn

import advisor
from advisor.loading.files import load_file
from advisor.slots.initializer.base import Fans
from advisor.slots.initializer.plain import is_formula
from advisor.work.apply import diff_of
from advisor.work.study_ref import StudyRef

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(300, 200)
        self.acts = nn.ModuleList([nn.Sigmoid()])
        self.groups = nn.Conv1d(4, 4, 1, groups=2)
        self.last = nn.Linear(200, 2)  # the end

    def forward(self, x):
        x = self.acts[0](self.first(x))
        return self.last(self.groups(x.reshape(-1, 4, 50)).reshape(-1, 200))
"""


def test_torch_fills_by_the_law_that_each_rule_says(host):
    fans = Fans(fan_in=300, fan_out=200, gain=1.3)
    said = set()
    for name, technique in host.techniques["initializer"].items():
        if name == "keep" or not is_formula(technique):
            continue
        params = technique.defaults()
        call = technique.plain(fans, **params)
        if call is None:
            continue
        said.add(name)
        own, plain = torch.empty(200, 300), torch.empty(200, 300)
        technique.fill(own, fans, torch.Generator().manual_seed(0), **params)
        torch.manual_seed(0)
        exec(f"nn.init.{call.format(weight='weight')}", {"nn": nn, "weight": plain})
        levels = torch.linspace(0, 1, 41)[1:-1]
        places = [each.flatten()[:50000].quantile(levels) for each in (own, plain)]
        assert torch.allclose(*places, atol=0.03 * float(own.abs().max())), name
        assert float(plain.std()) == pytest.approx(float(own.std()), rel=0.02, abs=1e-9), name
    assert said >= {"xavier", "he", "he_uniform", "orthogonal", "truncated_normal", "lecun"}


def test_a_rule_derived_from_another_one_that_fills_otherwise_has_no_line(host):
    he = type(host.find("initializer", "he"))

    class Halved(he):
        def fill(self, weight, fans, generator, **params):
            super().fill(weight, fans, generator, **params)
            weight.mul_(0.5)

    assert is_formula(he())
    assert not is_formula(Halved())
    assert not is_formula(host.find("initializer", "lsuv"))


def test_show_diff_writes_activations_and_initial_weights_into_one_file(write, tmp_path):
    path = write("plain_net.py", NET)
    x = torch.randn(60, 300, generator=torch.Generator().manual_seed(0))
    task = advisor.Task(load_file(path).Net, (x, (x.sum(1) > 0).long()))
    ref = StudyRef.of(advisor.Study("plain", task))
    params = {"activation": "relu", "initializer": "he", "initializer.he.mode": "fan_in"}
    text = diff_of(ref, params, str(tmp_path))
    assert "# not in this diff: initializer he: groups: it has groups" in text

    # The file is patched as a person does it, and then builds the recommended model.
    subprocess.run(["patch", "-p0"], input=text, text=True, cwd=tmp_path, check=True)
    torch.manual_seed(0)
    model = load_file(path).Net()
    assert isinstance(model.acts[0], nn.ReLU)
    assert float(model.first.weight.detach().std()) == pytest.approx((2 / 300) ** 0.5, rel=0.03)
    assert float(model.last.weight.detach().std()) == pytest.approx(1 / 200**0.5, rel=0.15)
    assert not model.first.bias.any()
    assert not model.last.bias.any()


def test_initial_weights_of_a_model_without_a_class_are_told_line_by_line(tmp_path):
    task = advisor.Task(
        lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)),
        (torch.randn(60, 4), torch.arange(60) % 2),
    )
    text = diff_of(
        StudyRef.of(advisor.Study("plain", task)), {"initializer": "xavier"}, str(tmp_path)
    )
    assert text.startswith("# not in this diff: initializer xavier: ")
    assert "torch.nn.init.xavier_normal_(model[0].weight)" in text
