"""What a person reads when something cannot be swapped: where it is, why, and what to do."""

import os
import re
import subprocess
import sys
import types
import warnings

import pytest
import torch
import torch.nn.functional as F
from models import conv, custom, mlp, text, zoo
from torch import nn

from advisor.errors import InputError
from advisor.model import apply_recipe, select, swap, trace
from advisor.model import recipe as written

ROWS = (zoo.ROWS,)


class Two(nn.Module):
    """Two layers, for an activation between them."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)


def wrapped(method):
    def inner(self, x):
        return self.b(F.relu(method(self, x)))

    return inner


class InDecorator(Two):
    @wrapped
    def forward(self, x):
        return self.a(x)


def on_the_instance():
    model = Two()
    model.forward = types.MethodType(lambda self, x: self.b(F.relu(self.a(x))), model)
    return model


class TwoArguments(Two):
    def forward(self, x):
        return self.b(custom.scaled(self.a(x), x))


class InLambda(Two):
    def __init__(self):
        super().__init__()
        self.act = lambda x, y: torch.tanh(x) + y

    def forward(self, x):
        return self.b(self.act(self.a(x), x))


def without_source():
    names = {"nn": nn, "F": F, "__name__": "nowhere"}
    code = "class Net(nn.Linear):\n    def forward(self, x):\n"
    code += "        return super().forward(F.relu(super().forward(x)))\n"
    exec(code, names)
    return names["Net"](8, 8)


REFUSED = {
    "in a decorator": (
        InDecorator,
        torch.asinh,
        ["in a decorator of InDecorator.forward", "call it in"],
    ),
    "set on the instance": (
        on_the_instance,
        torch.asinh,
        ["is not a method of Two; write it as one"],
    ),
    "helper with several arguments": (
        TwoArguments,
        torch.asinh,
        ["relu is inside scaled(x, w)", "call it in the method"],
    ),
    "lambda with several arguments": (
        InLambda,
        torch.asinh,
        ["tanh is inside a lambda; write it as"],
    ),
    "no source": (
        without_source,
        torch.asinh,
        ["No source for Net.forward", "Save the class in a file"],
    ),
    "trained in a plain list": (
        mlp.InAList,
        nn.PReLU(),
        ["stages[0][1] is kept in a plain Python list", "Use nn.ModuleList"],
    ),
}


@pytest.mark.parametrize(("build", "activation", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_out_of_reach_is_named_with_what_to_do(build, activation, words):
    model = build()
    before = model(zoo.ROWS)
    report = swap(model, trace(model, ROWS), lambda _: activation, inputs=ROWS)
    assert not report.swapped
    assert all(word in report.refused[0][1] for word in words), report.refused[0][1]
    assert "\n" not in report.refused[0][1]
    assert re.match(
        r"\w+\.py:\d+ |\S+ \(\w+\.py:\d+\) |stages|No source for Net", report.refused[0][1]
    )
    assert "out of reach: " in report.summary()
    assert torch.equal(model(zoo.ROWS), before)


LEFT = {
    "gate": (conv.SENet, (zoo.IMAGES,), "1 gate (se.gate)", "multiplies another branch"),
    "score": (
        text.GraphAttention,
        (zoo.NODES, zoo.EDGES),
        "1 attention score (leakyrelu)",
        "reaches softmax",
    ),
    "inline": (
        custom.Inline,
        ROWS,
        "1 part of an inline activation (forward:",
        "an activation written inline",
    ),
}


@pytest.mark.parametrize(("build", "inputs", "words", "reason"), LEFT.values(), ids=LEFT)
def test_what_is_left_alone_is_named_with_its_reason(build, inputs, words, reason):
    model = build()
    found = trace(model, inputs)
    report = swap(model, found, lambda _: torch.asinh, inputs=inputs)
    assert words in report.summary()
    assert reason in next(site.reason for site in report.left if site.label != "output")


def test_a_gate_that_is_included_is_swapped():
    model = conv.SENet()
    found = trace(model, (zoo.IMAGES,))
    report = swap(
        model,
        found,
        lambda _: torch.asinh,
        sites=select(found, include=["se.gate"]),
        inputs=(zoo.IMAGES,),
    )
    assert "se.gate" in {site.id for site in report.swapped}
    assert {site.kind for site in trace(model, (zoo.IMAGES,)).sites} == {"custom:asinh"}


def test_the_inside_of_a_script_module_is_no_site():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and used
        block = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
    model = nn.Sequential(block, nn.Linear(8, 2))
    report = swap(model, trace(model, ROWS), lambda _: torch.asinh, inputs=ROWS)
    assert report.summary() == "swapped 0 sites (0 calls)"


class Stubborn(Two):
    """Gets its activation from where nobody looks."""

    def __init__(self):
        super().__init__()
        act = nn.ReLU()
        self.act, self.get = act, lambda: act

    def forward(self, x):
        return self.b(self.get()(self.a(x)))


def test_a_site_that_is_not_reached_undoes_everything():
    model = Stubborn()
    before = model(zoo.ROWS)
    with pytest.raises(
        InputError,
        match=r"1 of 1 sites still ran the old activation: act; .*--exclude. Everything was undone",
    ):
        swap(model, trace(model, ROWS), lambda _: torch.asinh, inputs=ROWS)
    assert torch.equal(model(zoo.ROWS), before)


WRONG_INPUTS = {
    "too many columns": (
        mlp.Functional,
        torch.randn(4, 9),
        ["fc1 (Linear) got (4, 9)", "expects 8 inputs", "--model-arg"],
    ),
    "other channels": (
        conv.ResNet,
        torch.randn(4, 1, 8, 8),
        ["conv1 (Conv2d) got (4, 1, 8, 8)", "expects 3 channels"],
    ),
    "token out of the vocabulary": (
        text.text_cnn,
        torch.full((4, 7), 30),
        ["embed (Embedding)", "indices below 20"],
    ),
}


@pytest.mark.parametrize(("build", "batch", "words"), WRONG_INPUTS.values(), ids=WRONG_INPUTS)
def test_inputs_that_do_not_fit_name_the_innermost_module(build, batch, words):
    with pytest.raises(InputError) as caught:
        trace(build(), (batch,))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_tied_weights_and_an_unused_projection_are_told_apart():
    tied = {
        layer.name: layer.tied for layer in trace(text.TiedLanguageModel(), (zoo.TOKENS,)).layers
    }
    assert tied["lm_head"] == ("wte.weight",)
    called = {
        layer.name: layer.callable for layer in trace(text.Transformer(), (zoo.IMAGES,)).layers
    }
    assert not called["encoder.layers.0.self_attn.out_proj"]


def test_without_columns_a_call_that_is_alone_on_its_line_is_found(tmp_path):
    (tmp_path / "net.py").write_text("""
import torch
from torch import nn
from torch.nn import functional as F
from advisor.model import swap, trace

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)
    def forward(self, x):
        x = F.relu(self.a(x))
        return self.b(torch.tanh(x) + torch.tanh(2 * x))

if __name__ == "__main__":
    model, x = Net(), torch.randn(4, 8)
    report = swap(model, trace(model, (x,)), lambda _: torch.asinh, inputs=(x,))
    print([site.place for site in report.swapped], *(why for _, why in report.refused), sep="|")
""")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-X", "no_debug_ranges", "net.py"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    swapped, *refused = ended.stdout.strip().split("|")
    assert "F.relu(self.a(x))" in swapped
    assert (
        refused
        == [
            "net.py:13 tanh is not alone on its line, and Python has no columns; "
            "run it without -X no_debug_ranges."
        ]
        * 2
    )


# ---------------------------------------------------------------- recipes


def recipe():
    model = mlp.Functional()
    return written(swap(model, trace(model, ROWS), lambda _: nn.ELU(), inputs=ROWS))


def changed(**values):
    made = recipe()
    made["sites"][0] |= {key: value for key, value in values.items() if key != "where"}
    made["sites"][0]["where"] |= values.get("where", {})
    return made


def runs(name, **arguments):
    return {"function": name, "arguments": arguments}


BAD = {
    "no recipe": (lambda: [1], "That is no recipe but list"),
    "another format": (lambda: {**recipe(), "recipe": 2}, "has format 2, this advisor reads 1"),
    "no sites": (lambda: {"recipe": 1}, "sites is not a list"),
    "a site without a place": (
        lambda: {"recipe": 1, "sites": [{"id": "a"}]},
        r"sites\[0\] lacks kind, calls, where, runs",
    ),
    "a number for a name": (lambda: changed(id=3), r"sites\[0\].id is 3"),
    "an unknown owner": (
        lambda: changed(where={"owner": "x.y"}),
        "names x.y, which Functional does not have",
    ),
    "an unknown method": (
        lambda: changed(where={"method": "lift"}),
        "Functional.lift, which Functional does not have",
    ),
    "a changed method": (
        lambda: changed(where={"source": "0"}),
        "Functional.forward has changed since the recipe was made",
    ),
    "a call out of range": (lambda: changed(where={"call": 99}), "has no call number 99"),
    "no name and no factory": (
        lambda: changed(runs=None),
        "does not say what forward:.* runs.* pass a factory",
    ),
    "a module that is not imported": (
        lambda: changed(runs=runs("this.that")),
        "this.that is not imported here",
    ),
    "a function of the system": (
        lambda: changed(runs=runs("os.system")),
        "os.system is not an activation",
    ),
    "a function that writes": (
        lambda: changed(runs=runs("torch.save", f="x")),
        "torch.save is not an activation",
    ),
    "a class that is no module": (
        lambda: changed(
            runs={"class": "subprocess.Popen", "arguments": {"args": "ls"}, "state": {}}
        ),
        "subprocess.Popen is not an activation",
    ),
    "wrong arguments": (
        lambda: changed(runs={"class": "torch.nn.ELU", "arguments": {"beta": 1}, "state": {}}),
        "torch.nn.ELU cannot be made from the arguments",
    ),
}


@pytest.mark.parametrize(("made", "words"), BAD.values(), ids=BAD)
def test_a_recipe_that_does_not_fit_is_refused_and_the_model_left_as_it_is(made, words):
    model = mlp.Functional()
    with pytest.raises(InputError, match=words):
        apply_recipe(model, made())
    assert type(model) is mlp.Functional
    assert "_advisor_acts" not in dict(model.named_children())


def test_a_recipe_imports_nothing():
    assert "antigravity" not in sys.modules
    with pytest.raises(InputError, match="not imported here"):
        apply_recipe(mlp.Functional(), changed(runs=runs("antigravity.fly")))
    assert "antigravity" not in sys.modules


def test_a_recipe_for_another_kind_of_module_is_refused():
    model = mlp.SharedActivation(8, 3)
    made = written(swap(model, trace(model, ROWS), lambda _: torch.asinh))
    other = mlp.SharedActivation(8, 3)
    other.net[1] = other.net[3] = nn.Tanh()
    with pytest.raises(InputError, match=r"was made for a ReLU, but net.1 is a Tanh here"):
        apply_recipe(other, made)


def test_a_recipe_of_an_activation_without_a_name_asks_for_a_factory():
    model = mlp.Functional()
    made = written(swap(model, trace(model, ROWS), lambda _: lambda x: x.sin()))
    assert "a factory: " in made["sites"][0]["needs"]
    fresh = mlp.Functional()
    assert apply_recipe(fresh, made, factory=lambda _: torch.sin, inputs=ROWS).calls == 2


def test_a_recipe_says_which_keys_come():
    model = mlp.Normalized()
    report = swap(model, trace(model, ROWS), lambda _: nn.ELU(), inputs=ROWS)
    assert written(report)["state_dict"] == {"removed": [], "added": []}
    model = mlp.Functional()
    report = swap(model, trace(model, ROWS), lambda _: nn.PReLU(), inputs=ROWS)
    assert all(key.endswith(".weight") for key in written(report)["state_dict"]["added"])
    assert len(written(report)["state_dict"]["added"]) == 2


class OneInput(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

    def forward(self, x):
        return super().forward(x)


class TwoInputs(OneInput):
    def forward(self, x, mask):
        return super().forward(x * mask)


class WholeBatch(OneInput):
    def forward(self, batch):
        return super().forward(batch["x"])


@pytest.mark.parametrize(
    ("build", "keys", "words"),
    [
        (OneInput, ("x", "sample_weight"), "leave sample_weight out of the rows"),
        (OneInput, ("data",), "name the keys as forward does, which needs x, too"),
        (TwoInputs, ("x", "attention_mask"), "takes x, mask, and not attention_mask"),
    ],
)
def test_a_key_that_forward_does_not_take_is_named(build, keys, words):
    with pytest.raises(InputError) as caught:
        trace(build(), {key: torch.ones(4, 3) for key in keys})
    assert words in str(caught.value)
    assert f"The rows have the keys {', '.join(keys)};" in str(caught.value)


def test_a_model_that_takes_a_dictionary_is_not_told_of_its_keys():
    with pytest.raises(InputError) as caught:
        trace(WholeBatch(), {"x": torch.ones(4, 2), "id": torch.ones(4)})
    assert "keys" not in str(caught.value)
