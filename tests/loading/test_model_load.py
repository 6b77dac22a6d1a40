"""From a name to a model, and what the user reads when that fails."""

import inspect
import pickle
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from advisor.errors import InputError
from advisor.loading.arguments import read_arguments
from advisor.loading.files import load_object
from advisor.loading.model import build_model, load_model
from advisor.model import swap, trace

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
        # A library that was imported meanwhile stays: parts of torch cannot be imported twice.
        if "site-packages" not in str(getattr(sys.modules[name], "__file__", "")):
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
        (
            "{folder}/exits.py:Net",
            ["exits.py failed at line 1 (SystemExit: 2)", "__main__", "or use --definitions-only"],
        ),
        ("{folder}/needs.py:Net", ["needs.py failed at line 1", "no_such_package"]),
        ("{folder}/slip.py:Net", ["slip.py failed at line 1", "NameError", "mend that line or"]),
        (
            "{folder}/task.py:Net",
            ["task.py at line 2: advisor.Task(…)", "'fits'", "arguments are: build, data, train,"],
        ),
    ],
)
def test_what_cannot_be_loaded_says_why(folder, spec, words):
    (folder / "broken.py").write_text("x = 1\ny = x / 0\n")
    (folder / "syntax.py").write_text("x = 1\n\ndef f(:\n")
    (folder / "exits.py").write_text("raise SystemExit(2)\n")
    (folder / "needs.py").write_text("import no_such_package\n")
    (folder / "slip.py").write_text("y = misspelt\n")
    (folder / "task.py").write_text("import advisor\ntask = advisor.Task(int, fits=1)\n")
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
    model, used = build_model(
        taking("in_features", "hidden", "num_classes=7"), FACTS, {"hidden": 5}
    )
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
        (
            raises,
            {},
            [
                "raises() raised ValueError at test_model_load.py:",
                "depth must be even",
                "--model-arg",
            ],
        ),
    ],
)
def test_what_cannot_be_built_says_why(build, arguments, words):
    with pytest.raises(InputError) as error:
        build_model(build, FACTS, arguments)
    assert all(word in str(error.value) for word in words), str(error.value)


SCRIPT = '''
"""What it is for."""
from __future__ import annotations
import argparse
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
import torch
from torch import nn
try:
    import no_such_package
except ImportError:
    no_such_package = None
if TYPE_CHECKING:
    from nowhere import Thing
if sys.version_info >= (3, 8):
    NEW = True
else:
    NEW = load()
import no_such_package.inside
__all__ = ["Net"]
WIDTH, DEPTH = 4 * int(math.sqrt(4)), -1
SIZES = {"in": 3, "out": [WIDTH // 4] * 2}
SIZES["hidden"] = len("abcdef") + WIDTH
act = lambda x: torch.relu(x)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
args = argparse.ArgumentParser().parse_args(["--needed"])
RATE = args.rate
calls.append("ran")
sys.modules["ran_too_much"] = 1


def squared(x):
    return x * x


@dataclass
class Config:
    width: int = WIDTH


class Part(nn.Module):
    # a comment
    def forward(self, x: Thing):
        return torch.tanh(x).to(device)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(SIZES["in"], WIDTH), Part(), nn.Linear(WIDTH, SIZES["out"][0]))


class Lost(nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = RATE


class Based(args.base):
    pass


net = Net()
for step in range(10**12):
    net(torch.zeros(1, 3))
raise SystemExit(3)
'''


@pytest.fixture
def script(folder):
    (folder / "a_script.py").write_text(SCRIPT)
    return f"{folder}/a_script.py"


def test_definitions_are_loaded_without_what_a_script_does(script):
    build = load_model(f"{script}:Net", definitions_only=True)
    module = sys.modules[build.__module__]
    assert (module.WIDTH, module.DEPTH, module.NEW, module.no_such_package) == (8, -1, True, None)
    assert module.SIZES == {"in": 3, "out": [2, 2], "hidden": 14}
    assert module.Config() == module.Config(width=8)
    assert module.__doc__ == "What it is for."
    assert "ran_too_much" not in sys.modules
    assert inspect.getsource(build).startswith("class Net")
    assert load_model(f"{script}:Net", definitions_only=True) is build
    assert type(pickle.loads(pickle.dumps(build()))) is build


def test_the_calls_of_a_model_loaded_by_its_definitions_can_be_rewritten(script):
    model, x = load_model(f"{script}:Net", definitions_only=True)(), torch.randn(4, 3)
    found = trace(model, x)
    assert [site.kind for site in found.hidden] == ["tanh"]
    report = swap(model, found, lambda _: torch.asinh, inputs=x)
    torch.testing.assert_close(model[1](x), torch.asinh(x))
    assert report.calls == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net", ["no 'net': it is made at a_script.py:64, which --definitions-only left out"]),
        ("Based", ["a_script.py:60", "NameError", "'args' is made at a_script.py:28, which"]),
        ("Nett", ["Did you mean 'Net'?"]),
    ],
)
def test_a_name_that_was_left_out_is_told_with_its_line(script, name, words):
    with pytest.raises(InputError) as error:
        load_model(f"{script}:{name}", definitions_only=True)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_class_that_needs_what_was_left_out_says_which_name_and_where(script):
    build = load_model(f"{script}:Lost", definitions_only=True)
    with pytest.raises(
        InputError,
        match=r"name 'RATE' is not defined \('RATE' is made at a_script.py:29, "
        r"which --definitions-only",
    ):
        build_model(build, {}, {})


def test_a_module_of_a_package_is_loaded_by_its_definitions(folder):
    (folder / "a_package").mkdir()
    (folder / "a_package" / "__init__.py").write_text("")
    (folder / "a_package" / "sizes.py").write_text("WIDTH = 3\n")
    (folder / "a_package" / "nets.py").write_text(
        "from torch import nn\nfrom .sizes import WIDTH\n"
        "class Net(nn.Linear):\n    size = WIDTH\nraise SystemExit(1)\n"
    )
    sys.path.insert(0, str(folder))
    with pytest.raises(InputError, match="--definitions-only"):
        load_model("a_package.nets:Net")
    assert load_model("a_package.nets:Net", definitions_only=True).size == 3


def test_what_a_file_means_depends_on_how_it_was_loaded(folder):
    (folder / "both.py").write_text(
        "from linecache import getline\nfirst = lambda path: getline(path, 1)\n"
        "number = abs(-3) + max([1])\nwords = first(__file__)\n"
    )
    assert load_object(f"{folder}/both.py:words").startswith("from linecache")
    assert load_object(f"{folder}/both.py:number", definitions_only=True) == 4
    with pytest.raises(InputError, match="both.py:4"):
        load_object(f"{folder}/both.py:words", definitions_only=True)
    assert load_object(f"{folder}/both.py:words").startswith("from linecache")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64),
        ("-1", -1),
        ("1e-3", 1e-3),
        ("None", None),
        ("True", True),
        ("(64, 32)", (64, 32)),
        ("[1, -2, 'a']", [1, -2, "a"]),
        ("{'a': 1, 2: [None]}", {"a": 1, 2: [None]}),
        ("{1, 2}", {1, 2}),
        ("torch.nn.GELU", nn.GELU),
        ("torch.nn.functional.relu", nn.functional.relu),
        ("builtins.dict", dict),
        ("[torch.nn.GELU, {'act': torch.tanh}]", [nn.GELU, {"act": torch.tanh}]),
        ("relu", "relu"),
        ("bert-base", "bert-base"),
        ("resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("some/file.pt", "some/file.pt"),
        ("'torch.nn.GELU'", "torch.nn.GELU"),
        ("f(x)", "f(x)"),
        ("", ""),
    ],
)
def test_a_models_argument_is_a_literal_a_dotted_name_or_a_text(text, value):
    assert read_arguments({"key": text}) == {"key": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "torch.nn.Gelu",
            ["key=torch.nn.Gelu", "torch.nn has no 'Gelu'", "Did you mean 'GELU'?", "Quote it"],
        ),
        ("torch.nn.GELU()", ["is a call", "give torch.nn.GELU itself"]),
        ("[relu]", ["relu is no literal", "quote it"]),
    ],
)
def test_an_argument_that_names_nothing_is_refused(text, words):
    with pytest.raises(InputError) as error:
        read_arguments({"key": text})
    assert all(word in str(error.value) for word in words), str(error.value)


def test_arguments_with_dots_make_an_object_of_settings():
    found = read_arguments(
        {
            "args.width": "64",
            "args.act": "torch.tanh",
            "args.data.size": "[2]",
            "depth": "3",
            "old": 5,
        }
    )
    assert found == {
        "args": SimpleNamespace(width=64, act=torch.tanh, data=SimpleNamespace(size=[2])),
        "depth": 3,
        "old": 5,
    }
    for given in ({"args": "5", "args.width": "1"}, {"args.width": "1", "args": "5"}):
        with pytest.raises(InputError, match="not both"):
            read_arguments(given)


def test_a_setting_that_is_missing_is_asked_for_by_its_dotted_name():
    with pytest.raises(InputError, match="--model-arg args.depth=VALUE"):
        build_model(
            lambda args: nn.Linear(args.width, args.depth), {}, read_arguments({"args.width": "3"})
        )
