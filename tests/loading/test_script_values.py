"""What a script says its own constructor is called with."""

from __future__ import annotations

import sys

import pytest

from advisor.errors import InputError
from advisor.loading.model import build_model, inferred_arguments, load_model

FACTS = {"features": 8, "classes": 3}
NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, input_size, hidden_size, num_layers, num_classes, act):
        super().__init__()
        self.arguments = (input_size, hidden_size, num_layers, num_classes, act)
"""


@pytest.fixture
def arguments_of(tmp_path):
    """Writes a script below the model, and gives what the model is built with, and from what."""
    modules = dict(sys.modules)

    def arguments_of(script: str, definitions_only: bool = False, **given):
        path = tmp_path / f"script_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(NET + script)
        build = load_model(f"{path}:Net", definitions_only)
        _, used = build_model(build, FACTS, given)
        found = inferred_arguments(build, FACTS, given)
        origins = {name: each.origin.replace(path.name, "FILE") for name, each in found.items()}
        return used, origins

    yield arguments_of
    for name in set(sys.modules) - set(modules):
        if name.startswith("script_"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("script", "origin"),
    [
        ("hidden_size = 64\nnum_layers = 2\nact = 'relu'", "hidden_size in FILE"),
        ("HIDDEN_SIZE, NUM_LAYERS, ACT = 64, 2, 'relu'", "HIDDEN_SIZE in FILE"),
        ("hiddenSize = 64\nnumLayers: int = 2\nACT = 'relu'", "hiddenSize in FILE"),
        ("if False:\n    m = Net(28, 64, 2, 10, act='relu')", "the call at FILE:9"),
        ("H = 32 * 2\nif False:\n    m = Net(28, H, 2, 10, 'relu')", "the call at FILE:10"),
        (
            "def main():\n    width, depth = 64, 2\n    return Net(28, width, depth, 10, 'relu')",
            "the call at FILE:10",
        ),
        (
            "C = {'h': 64, 'l': 2}\ndef main():\n    return Net(1, C['h'], C['l'], 1, 'relu')",
            "the call at FILE:10",
        ),
        (
            "import argparse\ndef main():\n    p = argparse.ArgumentParser()\n"
            "    p.add_argument('-H', '--hidden', type=int, default=64)\n"
            "    p.add_argument('--num-layers', default=2)\n"
            "    p.add_argument('--act', default='relu')\n    a = p.parse_args()\n"
            "    return Net(28, a.hidden, a.num_layers, 10, a.act)",
            "the call at FILE:15",
        ),
        (
            "import argparse\ndef main():\n    p = argparse.ArgumentParser()\n"
            "    p.add_argument('--hidden-size', type=int, default=64)\n"
            "    p.add_argument('--num-layers', default=2)\n"
            "    p.add_argument('--act', default='relu')\n",
            "the option --hidden_size in FILE",
        ),
    ],
)
@pytest.mark.parametrize("definitions_only", [False, True])
def test_what_the_script_says_answers_its_constructor(
    arguments_of, script, origin, definitions_only
):
    used, origins = arguments_of(script, definitions_only)
    assert used == {
        "input_size": 8,
        "hidden_size": 64,
        "num_layers": 2,
        "num_classes": 3,
        "act": "relu",
    }
    assert origins["hidden_size"] == origin
    assert origins["input_size"] == origins["num_classes"] == "the data"


def test_what_the_user_gives_goes_before_what_the_script_says(arguments_of):
    used, origins = arguments_of("hidden_size = 64\nnum_layers = 2\nact = 'relu'", hidden_size=5)
    assert used["hidden_size"] == 5
    assert "hidden_size" not in origins


def test_all_arguments_that_are_missing_are_asked_for_at_once(arguments_of):
    with pytest.raises(InputError) as caught:
        arguments_of("def main(): return Net(28, width(), 2, 10, 'relu')")
    message = str(caught.value)
    assert "needs an argument 'hidden_size'" in message
    with pytest.raises(InputError) as caught:
        arguments_of("")
    message = str(caught.value)
    assert "needs arguments 'hidden_size', 'num_layers', 'act'" in message
    assert "--model-arg hidden_size=VALUE --model-arg num_layers=VALUE" in message


@pytest.mark.parametrize(
    "script",
    [
        "def one(): return Net(1, 64, 2, 3, 'relu')\ndef two(): return Net(1, 32, 2, 3, 'relu')",
        "def one():\n    hidden_size = 64\ndef two():\n    hidden_size = 32\nnum_layers = act = 2",
        "hidden_size = [object()]\nnum_layers = act = 2",
    ],
)
def test_a_value_that_the_script_says_in_two_ways_is_not_guessed(arguments_of, script):
    with pytest.raises(InputError, match="'hidden_size'"):
        arguments_of(script)


def test_the_name_of_a_module_is_no_argument(tmp_path):
    path = tmp_path / "named.py"
    path.write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, name): 0\n"
    )
    with pytest.raises(InputError, match="needs an argument 'name'"):
        build_model(load_model(f"{path}:Net"), {}, {})
    del sys.modules["named"]
