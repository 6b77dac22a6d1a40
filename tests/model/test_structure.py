"""What a built model is made of: settings show, and nothing that is another in each process does."""

import enum
import os
import time
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from advisor.model.structure import in_both, structure_of


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclass
class Settings:
    dropout: float = 0.1
    inner: object = None


class Model(nn.Module):
    """A layer, and one attribute that a test gives."""

    def __init__(self, value=None):
        super().__init__()
        self.value = value
        self.layer = nn.Linear(4, 2)


def differences(one, other):
    """Module and attribute of all that differs between two structures."""
    found = set()
    for name in {*one, *other}:
        before, after = one.get(name, {}), other.get(name, {})
        found |= {(name, key) for key in {*before, *after} if before.get(key) != after.get(key)}
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0.2, 0.6),
        (True, False),
        ("bilinear", "nearest"),
        ((1, 2), (1, 3)),
        ([1, "a"], [1, "b"]),
        ({"a": 1}, {"a": 2}),
        ({"x", "y"}, {"x", "z"}),
        (torch.float32, torch.float64),
        (F.relu, F.gelu),
        (nn.ReLU, nn.GELU),
        (Mode.FAST, Mode.SLOW),
        (list(range(500)), list(range(1, 501))),
        (np.float64(0.5), np.float64(0.6)),
    ],
    ids=[
        *("number", "bool", "text", "tuple", "list", "dict", "set", "dtype", "function", "class"),
        *("enum", "long list", "numpy number"),
    ],
)
def test_another_setting_of_a_module_shows(before, after):
    one, other = structure_of(Model(before)), structure_of(Model(after))
    assert differences(one, other) == {("", "value")}
    assert structure_of(Model(before)) == one


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (Settings(0.1), Settings(0.2), "value.dropout"),
        (SimpleNamespace(p=1), SimpleNamespace(p=2), "value.p"),
        (Settings(inner=Settings(0.1)), Settings(inner=Settings(0.3)), "value.inner.dropout"),
    ],
    ids=["dataclass", "namespace", "nested"],
)
def test_a_setting_in_a_configuration_object_shows(before, after, key):
    assert differences(structure_of(Model(before)), structure_of(Model(after))) == {("", key)}


def test_other_layers_and_their_arguments_show():
    def build(act, p, width=4):
        return nn.Sequential(nn.Linear(4, width), act(), nn.Dropout(p), nn.Linear(width, 2))

    before = structure_of(build(nn.ReLU, 0.2))
    assert differences(before, structure_of(build(nn.ReLU, 0.6))) == {("2", "p")}
    assert ("1", "class") in differences(before, structure_of(build(nn.Tanh, 0.2)))
    assert ("0", "weight") in differences(before, structure_of(build(nn.ReLU, 0.2, 8)))


def test_a_frozen_layer_shows():
    frozen = Model()
    frozen.layer.weight.requires_grad_(False)
    assert differences(structure_of(Model()), structure_of(frozen)) == {("layer", "weight")}


@pytest.mark.parametrize(
    "make",
    [
        object,
        lambda: print,
        lambda: f"<object at {hex(id(object()))}>",
        lambda: os.path.abspath(f"runs/{os.getpid()}"),
        lambda: time.strftime("%Y-%m-%d %H:%M:%S"),
        lambda: int(time.time()),
        os.getpid,
        lambda: torch.device("cpu"),
        lambda: "cuda:0",
        lambda: [object()],
        lambda: torch.randn(3),
        lambda: partial(F.relu, inplace=True),
        lambda: {1: object()},
    ],
    ids=["object", "builtin", "address", "path", "date", "seconds", "process", "device", "cuda", "list", "tensor", "partial", "dict"],
)  # fmt: skip
def test_what_is_another_in_each_process_is_left_out(make):
    texts = structure_of(Model(make()))[""]
    assert texts == {"class": "Model"} or texts["value"] == "print"


def test_what_two_builds_do_not_share_is_left_out():
    one, other = structure_of(Model(np.random.default_rng().random())), structure_of(Model(2.0))
    common = in_both(one, other)
    assert "value" not in common[""]
    assert common["layer"] == one["layer"]


def test_an_object_that_many_modules_hold_is_read_once_and_circles_end():
    settings = Settings()
    settings.inner = settings
    model = nn.Sequential(*(Model(settings) for _ in range(3)))
    texts = [key for attributes in structure_of(model).values() for key in attributes]
    assert texts.count("value.dropout") == 1


def test_training_a_model_changes_nothing():
    model = Model(1)
    before = structure_of(model)
    model.layer(torch.ones(1, 4)).sum().backward()
    with torch.no_grad():
        model.layer.weight.add_(1)
    assert structure_of(model.eval()) == before
