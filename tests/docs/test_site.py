"""The pages of the documentation: their Python runs, their links lead somewhere, nothing is left out."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from test_commands import FILES, blocks_of, commands_in, run_advisor, save_named

import advisor
from advisor.host.host import load

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
LINKED = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
RUN_ELSEWHERE = {
    "compare.md": "docs/test_site.py",
    "model.md": "test_readme.py",
    "models.md": "work/test_model_choice.py",
    "own_loop.md": "api/test_own_loops.py",
    "plugins.md": "cli/test_plugin_author.py",
    "scripts.md": "docs/test_commands.py",
    "training.md": "test_readme.py",
    "tutorial.md": "docs/test_site.py",
    "listeners.md": "docs/test_site.py",
    "export.md": "docs/test_site.py",
}
"""Pages whose Python other tests run, and where."""


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


def run(block: str, page: str, names: dict) -> dict:
    exec(compile(block, f"docs/{page}", "exec"), names)
    return names


# --- Python ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if page not in RUN_ELSEWHERE])
def test_every_block_of_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "docs"}
    for block in blocks_of(text_of(page)):
        save_named(block, tmp_path)
        run(block, page, names)


def test_the_python_of_every_other_page_is_run_by_the_test_that_is_named():
    for page, test in RUN_ELSEWHERE.items():
        assert blocks_of(text_of(page)), page
        source = (ROOT / "tests" / test).read_text()
        assert page in source or "DOCUMENTS" in source, (page, test)


def test_the_python_of_the_page_on_comparisons_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    (block,) = blocks_of(text_of("compare.md"))
    names = run(block.replace("workers=2", "workers=0"), "compare.md", {})
    assert names["comparison"].meets("not-worse")


@pytest.mark.proof
def test_the_python_of_the_page_on_exports_runs(advise, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    for shown in commands_in(text_of("export.md")):
        if shown.words[0] == "advisor" and not shown.is_inline:
            run_advisor(shown, advise)
    (block,) = blocks_of(text_of("export.md"))
    assert len(run(block, "export.md", {})["table"]) == 2


def test_the_plugins_of_the_bases_are_one_for_each_base_and_fit_in(tmp_path):
    files = [save_named(block, tmp_path) for block in blocks_of(text_of("bases.md"))]
    assert all(files)
    host = load([str(tmp_path / file) for file in files])
    found = {}
    for file in files:
        (plugin,) = [each for each in host.plugins if each.name == Path(file).stem]
        (name,) = plugin.techniques
        slot, _, technique = name.partition(".")
        found[slot] = type(host.find(slot, technique))
    bases = {
        "activation": advisor.Activation,
        "initializer": advisor.Initializer,
        "pretraining": advisor.Pretraining,
        "embedding": advisor.Embedding,
        "gradients": advisor.Technique,
    }
    assert found.keys() == bases.keys()
    assert all(issubclass(found[slot], base) for slot, base in bases.items())


@pytest.mark.proof
@pytest.mark.parametrize("number", range(5))
def test_the_plugins_of_the_bases_keep_their_promises(number, tmp_path, advise):
    block = blocks_of(text_of("bases.md"))[number]
    checked = advise("check", save_named(block, tmp_path))
    assert checked.code == 0, checked.out + checked.err


# --- the tutorial ---------------------------------------------------------------------------------


@pytest.mark.proof
def test_the_tutorial_works_as_typed_in_a_fresh_folder(tmp_path):
    def typed(*words: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    text = text_of("tutorial.md")
    advice = str(Path(sys.executable).with_name("advisor"))
    said, waiting = [], ""
    for found in re.finditer(r"^```(python|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        kind, block = found.groups()
        if kind == "sh":
            for shown in commands_in(f"```sh\n{block}```"):
                said.append(typed(advice, *shown.words[1:]))
        elif not save_named(block, tmp_path):
            # What follows goes on in the same session of Python.
            waiting = f"{waiting}\n{block}" if "advisor" in block or waiting else block
            said.append(typed(sys.executable, "-c", waiting))
            waiting = waiting if "advisor" in waiting else ""
    whole = "\n".join(said)
    assert re.search(r"^(change|keep|undecided) \{", whole, re.MULTILINE)
    assert "torch.Size([4, 2])" in whole
    assert "CHANGE" in whole  # what the tutorial's net needs is known
    assert (tmp_path / "first.html").stat().st_size > 10_000
    predicted = (tmp_path / "predictions.csv").read_text().splitlines()
    assert predicted[0] == "prediction,p(benign),p(malignant)"
    assert len(predicted) == 570


def test_the_python_of_the_tutorial_is_of_this_version(tmp_path, monkeypatch, advise):
    blocks = blocks_of(text_of("tutorial.md"))
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict = {"__name__": "docs"}
    run(blocks[0], "tutorial.md", names)
    assert save_named(blocks[1], tmp_path) == "net.py"
    lines = [shown for shown in commands_in(text_of("tutorial.md")) if "--trials" in shown.words]
    budget = ["--trials", "2", "--epochs", "1", "--seeds", "3", "--workers", "0", "--quiet"]
    only = ["--only", "activation=relu", "--only", "initializer=he"]
    words = lines[0].words[1:]
    start = words.index("--only")
    done = advise(*words[:start], *only, *budget)
    assert done.code == 0, done.err
    monkeypatch.delitem(sys.modules, "net", raising=False)
    for block in blocks[2:]:
        run(block, "tutorial.md", names)
    monkeypatch.delitem(sys.modules, "net")
    assert names["model"](names["torch"].randn(4, 30)).shape == (4, 2)


# --- listeners ------------------------------------------------------------------------------------


class Recorder(ModuleType):
    """Stands for a module of others: whatever is called is kept, with what it was called with."""

    def __init__(self, name: str, calls: list) -> None:
        super().__init__(name)
        self.calls = calls

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return self

        return called

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.calls.append(("end_of_block", (), {}))


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """The names of the first block of the page on listeners, and the events of its study."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("listeners"))
    events: list = []
    try:
        names = run(
            blocks_of(text_of("listeners.md"))[0].replace("on=show", "on=on"),
            "listeners.md",
            {"__name__": "docs", "on": events.append},
        )
    finally:
        os.chdir(before)
    for event in events:
        names["show"](event)
    return names, events


RECIPES = {"torch.utils.tensorboard": 1, "mlflow": 2, "trackio": 3}


@pytest.mark.parametrize("module", RECIPES)
def test_a_recipe_for_a_listener_takes_every_event(module, heard, monkeypatch):
    names, events = heard
    calls: list = []
    monkeypatch.setitem(sys.modules, module, Recorder(module, calls))

    def tune(study, *, storage, on, workers):
        for event in events:
            on(event)

    monkeypatch.setattr(advisor, "tune", tune, raising=False)
    run(blocks_of(text_of("listeners.md"))[RECIPES[module]], "listeners.md", dict(names))
    trials = sum(isinstance(event, advisor.TrialEnded) for event in events)
    seeds = sum(isinstance(event, advisor.SeedEnded) for event in events)
    assert trials == 3
    assert seeds > 3
    said = [name for name, *_ in calls]
    if module == "mlflow":
        assert said.count("start_run") == said.count("end_run") + said.count("end_of_block")
        assert said.count("log_metric") == sum(
            len(each.curve) for each in events if isinstance(each, advisor.TrialEnded)
        )
    elif module == "trackio":
        assert (said[0], said.count("log"), said[-1]) == ("init", trials + seeds + 1, "finish")
    else:
        assert (said[0], said.count("add_text"), said[-1]) == ("SummaryWriter", 1, "flush")
        assert said.count("add_scalar") > trials + seeds


@pytest.mark.proof
@pytest.mark.parametrize("module", RECIPES)
def test_a_recipe_for_a_listener_works_with_what_it_is_for(module, tmp_path, monkeypatch, capsys):
    try:
        importlib.import_module(module)
    except ImportError:
        pytest.skip(f"{module} is not installed")
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(text_of("listeners.md"))
    names = run(blocks[0], "listeners.md", {"__name__": "docs"})
    run(blocks[RECIPES[module]], "listeners.md", names)
    assert "the listener of on= raised" not in capsys.readouterr().err


# --- links and the site ---------------------------------------------------------------------------


def anchors_of(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def links_of(text: str) -> list[str]:
    """The links of a page to places of the repository, with those to anchors."""
    plain = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    return [each for each in re.findall(r"\]\(([^)\s]+)\)", plain) if "://" not in each]


@pytest.mark.parametrize("path", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_an_anchor(path):
    for link in links_of(path.read_text()):
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_a_dead_anchor_is_found(tmp_path):
    page = tmp_path / "a.md"
    page.write_text("# One: `two` three\n\n[x](#one-two-three) [y](#one) `[z](none.md)`\n")
    assert links_of(page.read_text()) == ["#one-two-three", "#one"]
    assert anchors_of(page) == {"one-two-three"}


def test_every_page_is_in_the_index_and_every_name_in_the_reference():
    index = text_of("index.md")
    listed = re.findall(r"^([a-z_]+)$", index, re.MULTILINE)
    assert sorted([*listed, "index"]) == [Path(page).stem for page in PAGES]
    reference = text_of("reference.md")
    named = set(re.findall(r"^\.\. auto\w+:: advisor\.(\w+)$", reference, re.MULTILINE))
    assert named == {name for name in advisor.__all__ if not name.startswith("__")}


@pytest.mark.proof
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    words = ["-m", "sphinx", "--fail-on-warning", "-q", "-E", "-b", "html", str(DOCS)]
    done = subprocess.run(
        [sys.executable, *words, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    reference = (tmp_path / "reference.html").read_text()
    for name in advisor.__all__:
        assert name.startswith("__") or f'id="advisor.{name}"' in reference, name
