"""A swap written down: as a recipe for a fresh model, and as a diff of the user's file."""

import importlib.util
import inspect
import json
import linecache
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest
import torch
from models import calls, made, zoo
from torch import nn

from advisor.model import apply_recipe, diff, recipe, swap, trace
from advisor.model.nested_values import named_tensors
from advisor.model.writing import user_files
from advisor.work.apply import diff_of
from advisor.work.study_ref import StudyRef

SWAPPABLE = {name: case for name, case in zoo.CASES.items() if case.hidden_calls}
CASES = pytest.mark.parametrize("case", SWAPPABLE.values(), ids=SWAPPABLE)


def output(model, case, seed=3):
    torch.manual_seed(seed)
    random.seed(seed)
    return [tensor for _, tensor in named_tensors(model(*case.inputs), "output")]


def same(one, other):
    return len(one) == len(other) > 0 and all(map(torch.equal, one, other))


def built(case):
    torch.manual_seed(0)
    return case.build()


def swapped(case, activation):
    model = built(case)
    return model, swap(model, trace(model, case.inputs), activation, inputs=case.inputs)


WAYS = {  # what is put there, and whether the recipe is carried out with a batch to verify it on
    "function": (lambda _: torch.asinh, False),
    "module, verified": (lambda _: nn.ELU(0.5), True),
    "trained": (lambda _: nn.PReLU(init=0.1), False),
}


@CASES
@pytest.mark.parametrize(("activation", "verified"), WAYS.values(), ids=WAYS)
def test_a_recipe_gives_a_fresh_model_the_same_bits(case, activation, verified):
    model, report = swapped(case, activation)
    written = json.loads(json.dumps(recipe(report)))
    fresh = built(case)
    again = apply_recipe(fresh, written, inputs=case.inputs if verified else None)
    assert again.calls == report.calls
    fresh.load_state_dict(model.state_dict())
    assert same(output(fresh, case), output(model, case))
    assert list(fresh.state_dict()) == list(model.state_dict())
    assert [site.id for site in again.swapped] == [site.id for site in report.swapped]


# ---------------------------------------------------------------- the diff

ACTIVATIONS = {
    "function": lambda _: torch.asinh,
    "module": lambda _: nn.ELU(0.5),
    "trained": lambda _: nn.PReLU(),
}
OF_ACTIVATION = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
TESTS = Path(__file__).parents[1]


def patched(text, folder, build):
    """What builds a model, made of the example files after `patch` has applied a diff to copies of
    them.
    """
    (folder / "models").mkdir()
    for file in (TESTS / "models").glob("*.py"):
        shutil.copy(file, folder / "models" / file.name)
    (folder / "swap.diff").write_text(text)
    if text.startswith("---"):
        tool = ["patch", "-p0", "-i"] if shutil.which("patch") else ["git", "apply", "-p0"]
        subprocess.run([*tool, "swap.diff"], cwd=folder, check=True, capture_output=True)
    if build.__name__ == "<lambda>":  # in the zoo: it finds the example files in its globals
        fresh = {
            name: loaded(folder, name)
            for name in build.__code__.co_names
            if (folder / "models" / f"{name}.py").exists()
        }
        return FunctionType(build.__code__, {**build.__globals__, **fresh})
    return getattr(loaded(folder, build.__module__.rpartition(".")[2]), build.__qualname__)


def loaded(folder, name):
    spec = importlib.util.spec_from_file_location(
        f"patched_{name}", folder / "models" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notes(text):
    found = (
        line.removeprefix("# not in this diff: ").split(": ", 1)
        for line in text.splitlines()
        if line.startswith("# not")
    )
    return {tuple(each) for each in found}


ROWS = (torch.randn(4, 8, generator=torch.Generator().manual_seed(0)),)
CALLS = {
    name: (cls, ())
    for name, cls in vars(calls).items()
    if isinstance(cls, type) and "forward" in vars(cls)
}
CALLS = {
    name: case for name, case in CALLS.items() if name not in ("Block", "First", "Second")
}  # end in an activation
CALLS |= {  # what cannot be said as an edit, and why
    "EndsInBlock": (
        calls.EndsInBlock,
        ["the same constructor call makes last.act, which keeps its activation"],
    ),
}
WAYS_OF_MAKING = {
    name: (each, [])
    for name, each in vars(made).items()
    if getattr(each, "__module__", "") == made.__name__
}
for helper in (
    "ends",
    "Between",
    "Config",
    "traced",
    "Counted",
    "Own",
    "Steep",
    "Layer",
    "Decoder",
):
    del WAYS_OF_MAKING[helper]
WAYS_OF_MAKING |= {
    "from_plan": (
        made.from_plan,
        ["the same constructor call makes 0, which the swap did not reach"],
    ),
    "mapped": (made.mapped, ["by nn.Sequential, which may make others as well"] * 2),
    "at_import": (made.at_import, ["it was there before the model"]),
    "as_default": (made.as_default, ["it was there before the model"]),
}
CALLS |= WAYS_OF_MAKING


@pytest.mark.parametrize(
    "activation", [lambda _: torch.asinh, lambda _: nn.PReLU()], ids=["function", "trained"]
)
@pytest.mark.parametrize("name", SWAPPABLE)
@pytest.mark.filterwarnings(
    "ignore:enable_nested_tensor is True"
)  # torch's layers say so of any but two activations
def test_the_patched_file_makes_the_swapped_model(name, activation, tmp_path):
    case = SWAPPABLE[name]
    model, report = swapped(case, activation)
    text = diff(report, TESTS, case.build)
    if notes(text):
        assert (name, type(activation(None))) == (
            "torch's transformer",
            nn.PReLU,
        )  # copied by torch, which forgets a module
        report.undo()
    build = patched(text, tmp_path, case.build)
    torch.manual_seed(0)
    fresh = build()
    output(fresh, case)
    fresh.load_state_dict(model.state_dict(), strict=False)
    assert same(output(fresh, case), output(model, case))


@OF_ACTIVATION
@pytest.mark.parametrize(("build", "why"), CALLS.values(), ids=CALLS)
def test_every_way_of_calling_and_making_is_swapped_written_down_and_patched(
    build, why, activation, tmp_path
):
    case = zoo.Case(build, ROWS, "")
    model, report = swapped(case, activation)
    assert not report.refused
    assert report.swapped
    fresh = built(case)
    apply_recipe(fresh, json.loads(json.dumps(recipe(report))), inputs=ROWS)
    fresh.load_state_dict(model.state_dict())
    assert same(output(fresh, case), output(model, case))
    text = diff(report, TESTS, build)
    left = notes(text)
    assert len(left) == len(why)
    assert all(any(reason in text for _, text in left) for reason in why), left
    if why:
        report.undo()
    torch.manual_seed(0)
    fresh = patched(text, tmp_path, build)()
    fresh.load_state_dict(model.state_dict(), strict=False)
    assert same(output(fresh, case), output(model, case))


# what is passed for a model that Chooses("Tanh") made, and why nothing of it is in the diff
NO_BUILD = {
    "nothing": (
        None,
        "give build=…, a function that makes the model, to see where this module is made",
    ),
    "another model": (
        lambda: Chooses("ReLU"),
        "the model, made once more, has another act; give build=…",
    ),
    "a function that returns nothing": (lambda: None, "build returned NoneType and not a model"),
    "a function that fails": (
        lambda: Chooses("Than"),
        "making the model once more raised AttributeError: module",
    ),
}


class Chooses(made.Between):
    def __init__(self, name):
        self.name = name
        super().__init__()

    def make(self):
        return getattr(nn, self.name)()


@pytest.mark.parametrize(("build", "why"), NO_BUILD.values(), ids=NO_BUILD)
def test_what_makes_no_such_model_gives_no_edit_and_a_reason(build, why):
    model = Chooses("Tanh")
    report = swap(model, trace(model, ROWS), lambda _: nn.ELU())
    text = diff(report, TESTS, build)
    assert text.startswith(f"# not in this diff: act: {why}")
    assert text.count("\n") == 1


def test_watching_a_model_being_made_leaves_no_trace():
    init, model = nn.Module.__init__, made.Default()
    numbers = torch.get_rng_state(), random.getstate()
    report = swap(model, trace(model, ROWS), lambda _: nn.ELU())
    assert diff(report, TESTS).startswith("---")
    assert nn.Module.__init__ is init
    assert torch.equal(torch.get_rng_state(), numbers[0])
    assert random.getstate() == numbers[1]


def test_a_decoder_layer_that_torch_copies_takes_a_function_only():
    model = made.Decoder()
    found = trace(model, ROWS)
    report = swap(model, found, lambda _: nn.ELU())
    assert [why.partition(", and")[0] for _, why in sorted(notes(diff(report, TESTS)))] == [
        "torch copies this layer"
    ] * 2
    report.undo()
    text = diff(swap(model, found, lambda _: torch.asinh), TESTS)
    assert text.count(", activation=torch.asinh)") == 1
    assert not notes(text)


SCRIPT = """
import torch
from torch import nn

from advisor.model import diff, swap, trace


def net(width=8):
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 2))


model, rows = net(), (torch.ones(2, 8),)
print(diff(swap(model, trace(model, rows), lambda _: nn.ELU()), build=net))
"""


def test_a_script_that_makes_its_own_model_is_patched(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert (
        "+    return nn.Sequential(nn.Linear(8, width), nn.ELU(), nn.Linear(width, 2))\n"
        in ran.stdout
    )
    assert "--- script.py\n" in ran.stdout


STUDY = """
import advisor
import numpy as np
from torch import nn


def net(n_in):
    return nn.Sequential(nn.Linear(n_in, 4), nn.ReLU(), nn.Linear(4, 2))


data = np.eye(40, 3, dtype=np.float32), np.arange(40) % 2
study = advisor.Study("s", advisor.Task(build=lambda: net(3), data=data))
"""


def test_a_study_file_is_patched_where_its_function_makes_the_model(tmp_path, monkeypatch):
    (tmp_path / "study_of_net.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    text = diff_of(
        StudyRef(file="study_of_net.py"), {"activation": "elu", "activation.elu.alpha": 0.5}, "."
    )
    (tmp_path / "swap.diff").write_text(text)
    subprocess.run(["git", "apply", "-p0", "swap.diff"], check=True, capture_output=True)
    assert (tmp_path / "study_of_net.py").read_text() == STUDY.replace(
        "nn.ReLU()", "nn.ELU(alpha=0.5)"
    )


def test_a_name_that_a_star_import_brings_needs_no_other_import(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "starry.py").write_text("import torch\nfrom torch import nn\n")
    line = "nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))"
    (tmp_path / "models" / "star.py").write_text(
        f"from starry import *\n\ndef net():\n    return {line}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    net = loaded(tmp_path, "star").net
    model = net()
    text = diff(swap(model, trace(model, ROWS), lambda _: nn.ELU()), tmp_path, net)
    added = [line for line in text.splitlines() if line[0] == "+"]
    assert added[1:] == [f"+    return {line.replace('nn.ReLU', 'torch.nn.ELU')}"]


def test_a_file_that_changed_after_the_model_was_made_is_not_edited(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "old.py").write_text(inspect.getsource(made))
    net = loaded(tmp_path, "old").ordered
    (tmp_path / "models" / "old.py").write_text("import os\n" + inspect.getsource(made))
    model = net()
    text = diff(swap(model, trace(model, ROWS), lambda _: nn.ELU()), tmp_path, net)
    assert text.startswith("# not in this diff: act: it is made in old.py:")


def test_the_source_of_an_installed_library_is_edited_by_those_who_work_in_it(
    tmp_path, monkeypatch
):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "library.py").write_text(inspect.getsource(made))
    monkeypatch.setattr(user_files, "_INSTALLED", (f"{tmp_path}/",))
    net = loaded(tmp_path, "library").ordered
    model = net()
    report = swap(model, trace(model, ROWS), lambda _: nn.ELU())
    assert diff(report, tmp_path / "models", net).startswith("--- library.py")
    outside = diff(report, TESTS, net)
    assert outside.startswith("# not in this diff: act: it is made in library.py:")
    assert outside.endswith("belongs to an installed library\n")


def test_a_class_that_moved_in_its_file_takes_an_old_recipe_and_its_weights(tmp_path):
    (tmp_path / "models").mkdir()
    text = inspect.getsource(calls)
    (tmp_path / "models" / "moved.py").write_text(text)
    model = loaded(tmp_path, "moved").Third()
    report = swap(model, trace(model, ROWS), lambda _: nn.PReLU(), inputs=ROWS)
    written = recipe(report)
    (tmp_path / "models" / "moved.py").write_text("\n" * 7 + text)
    linecache.clearcache()
    fresh = loaded(tmp_path, "moved").Third()
    again = apply_recipe(fresh, written, inputs=ROWS)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(*ROWS), model(*ROWS))
    assert [site.id for site in trace(fresh, ROWS).sites] == [site.id for site in again.swapped]


def test_a_file_that_changed_since_its_import_is_not_rewritten(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "later.py").write_text(inspect.getsource(calls))
    model = loaded(tmp_path, "later").Third()
    (tmp_path / "models" / "later.py").write_text("\n" * 7 + inspect.getsource(calls))
    linecache.clearcache()
    report = swap(model, trace(model, ROWS), lambda _: torch.asinh, inputs=ROWS)
    assert not report.swapped
    assert all("has changed since it was imported; start again" in why for _, why in report.refused)


def test_a_new_activation_has_the_type_of_the_numbers_around_it():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    batch = (ROWS[0].double(),)
    swap(model, trace(model, batch), lambda _: nn.PReLU(), inputs=batch)
    assert model(*batch).dtype is model[1].weight.dtype is torch.float64


def test_hooks_stay_where_they_were():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    seen = []
    model[1].register_forward_hook(lambda module, args, output: seen.append(type(module)))
    swap(model, trace(model, ROWS), lambda _: nn.ELU())
    seen.clear()
    model(*ROWS)
    assert seen == [nn.ELU]


def test_a_diff_goes_through_git_too(tmp_path):
    case = SWAPPABLE["CNN with functions"]
    _, report = swapped(case, lambda _: nn.ELU(0.5))
    (tmp_path / "models").mkdir()
    shutil.copy(TESTS / "models" / "conv.py", tmp_path / "models")
    (tmp_path / "swap.diff").write_text(diff(report, TESTS) + "# not in this diff: a: why\n")
    subprocess.run(
        ["git", "apply", "-p0", "swap.diff"], cwd=tmp_path, check=True, capture_output=True
    )
    assert (tmp_path / "models" / "conv.py").read_text().count("nn.ELU(alpha=0.5)(") == report.calls


def test_a_file_with_other_line_ends_and_none_at_the_last_line_is_patched(tmp_path):
    text = "import torch\r\nfrom torch import nn\r\nclass Net(nn.Module):\r\n"
    text += "  def __init__(self):\r\n    super().__init__()\r\n"
    text += "    self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)\r\n  def forward(self, x):\r\n"
    text += "    return self.b(torch.relu(self.a(x)))  # größer"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ends.py").write_bytes(text.encode())
    model = loaded(tmp_path, "ends").Net()
    report = swap(model, trace(model, ROWS), lambda _: nn.PReLU(), inputs=ROWS)
    (tmp_path / "swap.diff").write_bytes(diff(report, tmp_path).encode())
    subprocess.run(
        ["patch", "-p0", "--binary", "-i", "swap.diff"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    after = (tmp_path / "models" / "ends.py").read_bytes().decode()
    assert after.count("\r\n") == after.count("\n") == text.count("\n") + 1
    assert after.endswith("    return self.b(self.act_8(self.a(x)))  # größer")
