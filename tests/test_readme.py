"""The README says what is true: its Python runs, its commands exist, its plugins are searched."""

import re
from pathlib import Path

import pytest

import advisor
from advisor.cli import COMMANDS, cli
from advisor.host.host import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
SHELL = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_every_block_of_python_runs(number):
    exec(compile(PYTHON[number], f"README.md block {number}", "exec"), {"__name__": "readme"})


def test_the_example_of_the_model_library_prints_what_it_says(capsys):
    text = (ROOT / "docs" / "model.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(code, "docs/model.md", "exec"), {"__name__": "docs"})
    assert re.search(r"# (\[\(.*\)\])", code)[1] == capsys.readouterr().out.splitlines()[0]


def test_the_recipe_of_the_documents_is_understood():
    (code,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL
    )
    names: dict = {}
    exec(compile(code, "docs/training.md", "exec"), names)
    run = advisor.diagnose(names["study"]).run
    assert (run.recipe.lr, run.recipe.clip, run.steps) == (0.1, 1.0, 9 * 17)


def test_the_study_of_the_readme_is_answered(tmp_path):
    names: dict = {}
    exec(next(text for text in PYTHON if "advisor.Study" in text), names)
    from dataclasses import replace

    found = advisor.tune(
        replace(names["study"], trials=4, epochs=2), storage=str(tmp_path / "a.db"), workers=0
    )
    assert found.study == "pair"


def test_the_plugin_of_the_readme_is_searched(tmp_path, blobs):
    (text,) = (text for text in PYTHON if "hookimpl" in text)
    file = tmp_path / "snake.py"
    file.write_text(text)
    assert load([str(file)]).find("activation", "snake")
    from torch import nn

    def net():
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    only = {"initializer": [], "pretraining": [], "embedding": [], "activation": ["snake"]}
    task = advisor.Task(build=net, data=blobs)
    study = advisor.Study("both", task, trials=3, epochs=2, seeds=3, only=only)
    url = str(tmp_path / "a.db")
    found = advisor.tune(study, storage=url, plugins=[str(file)], workers=0)
    assert found.trials["failed"] == 0
    from advisor.store.query import read

    _, rows = read(f"sqlite:///{url}", "SELECT DISTINCT activation FROM advisor_trials")
    assert ("snake",) in {tuple(row) for row in rows}


def test_every_advisor_command_of_the_readme_exists_with_its_options():
    commands = [line.split("#")[0].split() for line in SHELL if line.startswith("advisor ")]
    assert commands
    for words in commands:
        assert words[1] in COMMANDS
        command = cli.get_command(None, words[1])
        options = {option for parameter in command.params for option in parameter.opts}
        used = {word for word in words if word.startswith("--") and word != "--"} - {"--help"}
        assert used <= options, words


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for line in SHELL:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE), line


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_to_a_file(path):
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text())
    own = [link for link in links if "://" not in link]
    assert not [link for link in own if not (path.parent / link).exists()]


def test_the_way_through_the_code_names_what_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text()
    name, link = r"`(?:\w+\.)?(\w+)`", r"\[[^\]]+\]\(\.\./([^)]+)\)"
    places = [(found[1], found[2]) for found in re.finditer(f"{name} in {link}", text)]
    places += [(found[2], found[1]) for found in re.finditer(f"{link} {name}", text)]
    assert len(places) > 15
    for word, file in places:
        there = rf"^( *def {word}\(|class {word}\b|{word}\b.* =)"
        assert re.search(there, (ROOT / file).read_text(), re.MULTILINE), (word, file)
