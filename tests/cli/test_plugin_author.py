"""The plugin author's way: advisor new, advisor check, advisor techniques NAME, and
docs/plugins.md.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import advisor
import advisor.testing
from advisor.host import hookspecs
from advisor.host.host import load
from advisor.testing import check_technique
from advisor.testing.promise import PROMISES

DOC = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
SIGNATURES = re.findall(r"^((?:advisor\.)?[\w.]+)(\(.*\)(?: -> .*)?)$", DOC, re.MULTILINE)


def test_a_new_plugin_keeps_its_promises_and_is_searched(advise, blobs, tmp_path):
    said = advise("new", "plugin", "snake")
    assert said.code == 0
    assert "advisor check snake.py" in said.out
    said = advise("check", "snake.py")
    assert said.code == 0, said.out
    assert " 0 ✗" in said.out
    assert "activation.snake" in said.out

    def net():
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    only = {"activation": ["snake"], "initializer": [], "pretraining": [], "embedding": []}
    study = advisor.Study("new", advisor.Task(build=net, data=blobs), trials=4, epochs=1, only=only)
    found = advisor.tune(study, storage=str(tmp_path / "a.db"), plugins=["snake.py"], workers=0)
    assert found.trials["failed"] == 0


def test_a_broken_plugin_is_told_with_promise_and_line_and_exit_code_1(advise):
    advise("new", "plugin", "snake")
    text = Path("snake.py").read_text()
    Path("snake.py").write_text(text.replace("return x +", "return x - x.mean(0) +"))
    said = advise("check", "snake.py")
    line = next(i for i, line in enumerate(text.splitlines(), 1) if "def forward" in line)
    assert said.code == 1
    assert f'snake.py:{line} snake breaks "an activation is elementwise": ' in said.out
    waived = ("--waive", "fits=tried", "--waive", "elementwise=it is a layer")
    said = advise("check", "snake.py", *waived, "--json")
    assert said.code == 0, said.out
    (technique,) = json.loads(said.out)["techniques"]
    assert {each["check"]: each["message"] for each in technique["checks"] if each["waived"]} == {
        "fits": "waived: tried",
        "elementwise": "waived: it is a layer",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "nowhere.py"), "no such plugin file"),
        (("check", "activatoin"), "Did you mean 'activation'?"),
        (("check", "broken.py"), "line 1"),
        (("check", "whole.py", "--waive", "cited"), "say why"),
        (("check", "whole.py", "--waive", "cited="), "say why"),
        (("check", "whole.py", "--waive", "sited=why"), "Did you mean 'cited'?"),
        (("new", "plugin", "My wave"), "Write my_wave."),
        (("new", "plugin", "class"), "cannot be a plugin's name"),
        (("new", "plugin", "torch"), "would hide it"),
        (("new", "plugin", "relu"), "a technique of that name"),
        (("new", "plugin", "activation"), "an installed plugin is called so"),
        (("new", "plugin", "whole"), "is there already"),
        (("techniques", "rellu"), "Did you mean 'relu'?"),
    ],
)
def test_a_mistake_of_the_author_is_one_message_with_advice(advise, write, words, said):
    write("broken.py", "def broken(:\n")
    advise("new", "plugin", "whole")
    found = advise(*words)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


def test_a_new_package_is_a_distribution_whose_tests_run_the_kit(advise, tmp_path):
    assert advise("new", "plugin", "snake", "--package").code == 0
    folder = tmp_path / "advisor-snake"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "pyproject.toml",
        "README.md",
        "advisor_snake/__init__.py",
        "tests/test_snake.py",
    }
    import tomllib

    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["advisor"] == {"snake": "advisor_snake"}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests",
        "-k",
        "named or elementwise or cited",
    ]
    ended = subprocess.run(
        words,
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
    assert advise("new", "plugin", "snake", "--package").code == 2


# --- advisor techniques -------------------------------------------------------------------------


def test_a_technique_is_shown_with_its_docstring_its_space_and_who_searches_it(advise):
    said = advise("techniques", "elu")
    assert said.code == 0
    for word in (
        "activation elu",
        "Clevert",
        "alpha",
        "first 1.0",
        "Plugin: activation. Tried in every search.",
    ):
        assert word in said.out
    row = json.loads(advise("techniques", "activation.elu", "--json").out)[0]
    assert row["standard"] is True
    assert len(row["about"].splitlines()) > 3


def test_the_catalogue_is_a_page_with_a_curve_for_each_activation(advise, plugin, tmp_path):
    evil = plugin(
        "evil",
        "[Named('activation', 'evil')]",
        more="Named.cite = '<script>'\nNamed.__doc__ = '<b>bold</b>'\n",
    )
    assert advise("techniques", "-o", "all.html", "--plugin", evil).code == 0
    page = (tmp_path / "all.html").read_text()
    host = load()
    for slot, found in host.techniques.items():
        assert all(f'id="{slot}.{name}"' in page for name in found if name != "keep")
    assert page.count("<svg") >= 15
    assert "<script>" not in page
    assert "&lt;b&gt;bold" in page
    assert "nan" not in re.findall(r'points="([^"]*)"', page)[0]
    relu = page.split('id="activation.relu"')[1].split("</section>")[0]
    assert "<td>1.4142</td>" in relu


# --- docs/plugins.md ----------------------------------------------------------------------------


def signature(name):
    thing = hookspecs if name in ("slots", "techniques", "queries") else advisor
    for part in name.removeprefix("advisor.").split("."):
        thing = getattr(thing, part)
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))
    return plain.replace("(self, ", "(").replace("(self)", "()")


@pytest.mark.parametrize(("name", "said"), SIGNATURES, ids=[name for name, _ in SIGNATURES])
def test_every_signature_of_the_documentation_is_the_true_one(name, said):
    assert said == signature(name)


def test_the_documentation_has_the_signature_of_every_hook_base_and_declaration():
    hooks = {
        name
        for name, value in vars(hookspecs).items()
        if hasattr(value, f"{hookspecs.PROJECT}_spec")
    }
    wanted = {
        "Slot",
        "Float",
        "Int",
        "Choice",
        "Activation",
        "Initializer.fill",
        "Pretraining.learn",
        "Embedding.vectors",
    }
    wanted |= {"Technique.unfit", "Technique.apply", "advisor.testing.check_technique"}
    assert hooks | wanted <= {name for name, _ in SIGNATURES}


def test_the_documentation_lists_every_promise_as_the_kit_words_it():
    assert dict(re.findall(r"^- `(\w+)`: (.*)$", DOC, re.MULTILINE)) == {
        each.name: each.text for each in PROMISES
    }


def test_the_plugins_of_the_documentation_are_loaded_and_keep_their_promises(write):
    texts = [text for text in PYTHON if "hookimpl" in text]
    files = [write(f"doc_{number}.py", text) for number, text in enumerate(texts)]
    assert len(files) == 4
    host = load(files)
    assert host.find("activation", "mish_again")
    momentum = host.find("stepper", "momentum")
    advisor.testing.check_technique(momentum, slots=[host.slots["stepper"]])
    mean = host.find("average", "running_mean")
    found = advisor.testing.check_technique(mean, slots=[host.slots["average"]])
    kept = {each.check for each in found if each.status == "kept"}
    assert {"puts_weights_back", "trains_its_own_weights", "resumes"} <= kept


def test_a_technique_s_own_finding_is_diagnosed_and_one_that_raises_is_told(write, tmp_path):
    method = next(text for text in PYTHON if "def finds" in text)
    broken = method.replace("rows = len(run.data.train)", "rows = len(run.data.nothing)")
    plugin = """import advisor
import torch

class Calm(advisor.Technique):
    \"\"\"A smaller step.\"\"\"

    name, slot, cite = {name!r}, "initializer", "Wilson et al. 2017"

    def apply(self, run):
        run.optimizer = lambda groups, lr, weight_decay: torch.optim.SGD(groups, lr=lr)

{method}
@advisor.hookimpl
def techniques():
    return [Calm()]
"""
    files = [
        write("calm.py", plugin.format(name="calm", method=method)),
        write("wild.py", plugin.format(name="wild", method=broken)),
    ]
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    task = advisor.Task(
        build=lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
        data=(x, (x[:, 0] > 0).long()),
    )
    only = {"initializer": ["calm", "wild"]}
    found = advisor.diagnose(
        advisor.Study("own", task, only=only), plugins=[str(file) for file in files]
    )
    finding = next(finding for finding in found.findings if finding.kind == "few_rows")
    assert (finding.number, finding.slot) == (36, "initializer")
    assert "36 training rows" in found.to_json()
    (line,) = found.diagnosis.broken
    assert "wild: finds() raised AttributeError" in line
    host = found.prepared.host
    assert not host.broken  # a host is not written to
    checked = check_technique(host.find("initializer", "calm"))
    assert next(result.status for result in checked if result.check == "finds_only") == "kept"
