"""From a name to a model, and what the user reads when that fails."""

import pickle
import sys

import pytest
from torch import nn

from advisor.errors import InputError
from advisor.model import build_model, load_model
from advisor.modules import load_object

SOURCE = """
import pickle
from dataclasses import dataclass
from torch import nn
from {sibling} import WIDTH

class Net(nn.Sequential):
    class Inner(nn.Identity):
        pass
    def __init__(self, in_features, num_classes):
        super().__init__(nn.Linear(in_features, WIDTH), nn.Linear(WIDTH, num_classes))

def make_model():
    return Net(3, 2)

number = 5
model = nn.Linear(1, 1)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = dict(sys.modules)
    sibling = f"sibling_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{sibling}.py").write_text("WIDTH = 7\n")
    (tmp_path / "my_model.py").write_text(SOURCE.format(sibling=sibling))
    yield tmp_path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


def test_a_file_is_loaded_next_to_its_siblings_and_its_classes_pickle(folder):
    build = load_model(f"{folder}/my_model.py:Net")
    model = build(4, 2)
    assert model[0].out_features == 7
    assert type(pickle.loads(pickle.dumps(model))) is build
    assert load_object(f"{folder}/my_model.py:Net.Inner").__name__ == "Inner"


def test_a_file_is_executed_once(folder):
    spec = f"{folder}/my_model.py:Net"
    assert load_model(spec) is load_model(spec)


def test_a_file_named_like_a_module_hides_nothing(folder):
    (folder / "json.py").write_text("from torch import nn\nclass Net(nn.Identity): pass\n")
    import json

    assert load_model(f"{folder}/json.py:Net").__name__ == "Net"
    assert sys.modules["json"] is json


def test_a_class_of_an_installed_module_is_loaded():
    assert load_model("torch.nn:Linear") is nn.Linear


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("Net", ["FILE.py:NAME"]),
        ("{folder}/my_modle.py:Net", ["no such model file", "Did you mean", "my_model.py"]),
        ("{folder}/my_model.py:Nett", ["has no 'Nett'", "Did you mean 'Net'?", "Net, make_model"]),
        ("{folder}/my_model.py:number", ["my_model.py:number is int"]),
        ("{folder}/my_model.py:model", ["is a model (Linear)", "pass the class Linear"]),
        ("no_such_package.models:Net", ["no module 'no_such_package'"]),
        ("{folder}/broken.py:Net", ["broken.py failed at line 2", "ZeroDivisionError"]),
        ("{folder}/syntax.py:Net", ["syntax.py failed at line 3", "SyntaxError"]),
        ("{folder}/exits.py:Net", ["exits.py failed at line 1", "SystemExit", "__main__"]),
        ("{folder}/needs.py:Net", ["needs.py failed at line 1", "no_such_package"]),
    ],
)
def test_what_cannot_be_loaded_says_why(folder, spec, words):
    (folder / "broken.py").write_text("x = 1\ny = x / 0\n")
    (folder / "syntax.py").write_text("x = 1\n\ndef f(:\n")
    (folder / "exits.py").write_text("raise SystemExit(2)\n")
    (folder / "needs.py").write_text("import no_such_package\n")
    with pytest.raises(InputError) as error:
        load_model(spec.format(folder=folder))
    assert all(word in str(error.value) for word in words), str(error.value)


FACTS = {"features": 8, "classes": 3, "vocabulary": 50, "channels": 1, "height": 28, "width": 28}


def taking(*names):
    """A factory with these required arguments."""
    return eval(f"lambda {', '.join(names)}: Made(locals())", {"Made": Made})


class Made(nn.Module):
    def __init__(self, arguments):
        super().__init__()
        self.arguments = arguments


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (("in_features", "num_classes"), (8, 3)),
        (("input_dim", "output_dim"), (8, 3)),
        (("n_in", "n_out"), (8, 3)),
        (("nfeat", "nclass"), (8, 3)),
        (("input_size", "n_classes"), (8, 3)),
        (("num_inputs", "num_outputs"), (8, 3)),
        (("vocab_size", "out_features"), (50, 3)),
        (("ntoken",), (50,)),
        (("num_embeddings",), (50,)),
        (("in_channels", "img_size"), (1, 28)),
        (("channels", "image_height", "image_width"), (1, 28, 28)),
    ],
)
def test_required_arguments_are_inferred_by_name(names, values):
    model, used = build_model(taking(*names), FACTS, {})
    assert used == model.arguments == dict(zip(names, values, strict=True))


def test_given_and_default_arguments_are_kept():
    model, used = build_model(taking("in_features", "hidden", "num_classes=7"), FACTS, {"hidden": 5})
    assert used == {"hidden": 5, "in_features": 8}
    assert model.arguments["num_classes"] == 7


def test_a_factory_without_arguments_is_called():
    model, used = build_model(lambda: nn.Linear(2, 2), {}, {})
    assert isinstance(model, nn.Linear)
    assert used == {}


def raises():
    raise ValueError("depth must be even")


@pytest.mark.parametrize(
    ("build", "arguments", "words"),
    [
        (taking("hidden_size"), {}, ["'hidden_size'", "--model-arg hidden_size=VALUE"]),
        (taking("in_channels_of_x"), {}, ["--model-arg in_channels_of_x=VALUE"]),
        (taking("hidden"), {"hiden": 5}, ["no argument 'hiden'", "Did you mean 'hidden'?"]),
        (nn.Linear(2, 2), {}, ["Linear is a model", "pass the class"]),
        (5, {}, ["5 is int"]),
        (lambda: 5, {}, ["returned int", "torch.nn.Module"]),
        (raises, {}, ["raises() raised ValueError at test_model_load.py:", "depth must be even", "--model-arg"]),
    ],
)
def test_what_cannot_be_built_says_why(build, arguments, words):
    with pytest.raises(InputError) as error:
        build_model(build, FACTS, arguments)
    assert all(word in str(error.value) for word in words), str(error.value)
