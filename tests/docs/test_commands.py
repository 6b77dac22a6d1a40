"""Every command that a document shows works as it stands there.

The commands are read from the text itself, so that a new one cannot be forgotten: of each fenced
block of `sh`, of each line after `$` in a block of `console`, and of what stands in single
backticks. What a document does not show is added: a small budget, and the files that it speaks of.
"""

from __future__ import annotations

import atexit
import importlib.util
import re
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from dask_cluster import Cluster

from advisor.cli import COMMANDS, cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "studies").glob("**/README.md")),
]
BUDGET = ["--trials", "1", "--epochs", "1", "--seeds", "3", "--workers", "0", "--quiet"]
OF_SIDES = ["--epochs", "1", "--seeds", "3", "--workers", "0", "--quiet"]
NET = (
    "from torch import nn\n\n\nclass Net(nn.Sequential):\n"
    "    def __init__(self, in_features, num_classes):\n"
    "        super().__init__(nn.Linear(in_features, num_classes))\n"
)
SIDE = (
    "import advisor\nfrom net import Net\n\n"
    "task = advisor.Task(Net, 'people.csv', target='income')\nstudy = advisor.Study('side', task)\n"
)
STANDS_FOR = {
    "FILE.py": "studies/digits.py",
    "STUDY.py": "studies/digits.py",
    "studies/NAME.py": "studies/digits.py",
    "NAME": "written_by_name",
    "SELECT …": "SELECT 1",
    "/shared/advisor": "shared",
}
SCRIPTS = ("train.py", "predict.py", "digits/train.py")
"""Scripts that a document shows as a whole, or that a command before them writes."""
FILES = {
    "net.py": NET,
    "old.py": NET,
    "new.py": NET,
    "study_a.py": SIDE,
    "study_b.py": SIDE,
    "people.csv": "age,income\n"
    + "".join(f"{20 + i},{'low' if i % 3 else 'high'}\n" * 2 for i in range(40)),
}


@dataclass(frozen=True)
class Shown:
    """A command as a document shows it.

    Attributes:
        words: of the command line, without what a shell does with its output.
        is_inline: whether it stands in a sentence, where the name of a command may stand for it.
    """

    words: list[str]
    is_inline: bool

    def __str__(self) -> str:
        return shlex.join(self.words)


def commands_in(text: str) -> Iterator[Shown]:
    """The commands of a document, in its order."""
    pattern = r"^```(?P<kind>\w*)\n(?P<block>.*?)^```|(?<!`)`(?P<inline>[^`]+)`(?!`)"
    for found in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
        if found["inline"]:
            line = " ".join(found["inline"].split())
            if line.partition(" ")[0] in KINDS and " " in line:
                yield Shown(words_of(line), is_inline=True)
        elif found["kind"] == "sh":
            for line in found["block"].splitlines():
                if words_of(line):
                    yield Shown(words_of(line), is_inline=False)
        elif found["kind"] == "console":
            for line in re.findall(r"^\$ (.*)", found["block"], re.MULTILINE):
                yield Shown(words_of(line), is_inline=False)


def words_of(line: str) -> list[str]:
    """The words of a line, without its comment and where its output goes."""
    words = shlex.split(line, comments=True)
    return words[: words.index(">")] if ">" in words else words


# --- what is done with a command of each kind -----------------------------------------------------


def run_advisor(shown: Shown, advise: Callable) -> None:
    """Run a command of ours; where a sentence only names it, ask for its help."""
    words = [STANDS_FOR.get(word, word) for word in shown.words[1:]]
    budget = BUDGET
    if "--executor" in words:
        # The workers of the cluster train, wherever it is.
        place = words.index("--executor") + 1
        words[place] = cluster_of_this_test()
        budget = [word for word in BUDGET if word not in ("--workers", "0")]
    if shown.is_inline and is_name(words):
        words = [*words, "--help"]
    elif words[0] == "tune" and "--help" not in words:
        words = before_own(words, budget)
    elif words[0] == "compare" and "--help" not in words:
        is_described = not {"--data", "study_a.py", "--script"}.isdisjoint(words)
        words = before_own(words, OF_SIDES if is_described else OF_SIDES[2:])
    said = advise(*words)
    # What is required is not shown by sides that are the same.
    assert said.code == (3 if "better" in words else 0), f"{shown}: {said.err}"
    assert said.out or said.err, f"{shown} says nothing"


def cluster_of_this_test() -> str:
    """The name of a Dask scheduler with a worker, which end with the tests of this process."""
    if not _clusters:
        _clusters.append(Cluster(Path(tempfile.mkdtemp())))
        atexit.register(_clusters[0].stop)
        _clusters[0].start_worker()
    return _clusters[0].name


_clusters: list[Cluster] = []


def before_own(words: list[str], budget: list[str]) -> list[str]:
    """The words with a budget, which a script's own arguments follow."""
    place = words.index("--") if "--script" in words and "--" in words else len(words)
    return [*words[:place], *budget, *words[place:]]


def is_name(words: list[str]) -> bool:
    """Whether words are those of a command and no more, which cannot be run as they are."""
    command: click.Command | None = cli
    for word in words:
        command = command.get_command(None, word) if isinstance(command, click.Group) else None
        if command is None:
            return False
    return words[-1] not in ("plugins", "techniques", "studies")


def find_target(shown: Shown, _: Callable) -> None:
    """Look a target of the Makefile up."""
    makefile = (ROOT / "Makefile").read_text()
    for target in shown.words[1:]:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), shown


def find_program(shown: Shown, _: Callable) -> None:
    """Look the script or the module of a line of Python up."""
    _, first, *rest = shown.words
    if first == "-m":
        assert importlib.util.find_spec(rest[0]), shown
        paths = [word for word in rest[1:] if word.endswith(".py")]
    else:
        paths = [first]
    assert all((ROOT / path).exists() or path in SCRIPTS for path in paths), shown


def find_extras(shown: Shown, _: Callable) -> None:
    """Look the extras of an installation up, and the files that it names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extras in re.findall(r"\[([\w,]+)\]", str(shown)):
        assert set(extras.split(",")) <= project["optional-dependencies"].keys(), shown
    constraints = shown.words[shown.words.index("-c") + 1 :][:1] if "-c" in shown.words else []
    assert all((ROOT / path).exists() for path in constraints), shown


def leave(shown: Shown, _: Callable) -> None:
    """Leave a program of others alone."""


KINDS = {
    "advisor": run_advisor,
    ".venv/bin/advisor": run_advisor,
    "make": find_target,
    "python": find_program,
    "python3": find_program,
    ".venv/bin/python": find_program,
    "pip": find_extras,
    ".venv/bin/pip": find_extras,
    "optuna-dashboard": leave,
    "dask": leave,
}


def blocks_of(text: str) -> list[str]:
    """The blocks of Python of a document."""
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def save_named(block: str, folder: Path) -> str:
    """Save a block whose first line is the name of its file, `# net.py`; returns that, or `""`."""
    named = re.match(r"# (\w+\.py)\n", block)
    if named:
        (folder / named[1]).write_text(block)
    return named[1] if named else ""


def make_repository(folder: Path) -> None:
    """Make a folder a repository of git with two commits."""
    who = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*who, *words], cwd=folder, check=True, capture_output=True)
    subprocess.run(
        [*who, "commit", "-qm", "two", "--allow-empty"], cwd=folder, check=True, capture_output=True
    )


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_document_works(path, advise, tmp_path):
    text = path.read_text()
    shutil.copytree(ROOT / "studies", tmp_path / "studies", ignore=shutil.ignore_patterns("*.db*"))
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    if "--git" in text:
        make_repository(tmp_path)
    # A file that the text shows under its name is saved, and one that it writes is written.
    for block in blocks_of(text):
        if ".to_csv(" in block:
            exec(compile(block, str(path), "exec"), {})
        save_named(block, tmp_path)
    # A script that the text shows as a whole is saved, with another one beside it.
    for block in blocks_of(text):
        if "advisor.arm()" in block:
            (tmp_path / "train.py").write_text(block)
            (tmp_path / "wider.py").write_text(block.replace("default=32", "default=64"))
    # A plugin that the text shows as a whole is saved under the name that its commands give it.
    plugins = [block for block in blocks_of(text) if "hookimpl" in block]
    wanted = dict.fromkeys(re.findall(r"--plugin (\w+\.py)", text))
    made = re.findall(r"advisor new plugin (\w+)", text)
    for name, block in zip(
        (name for name in wanted if name[:-3] not in made), plugins, strict=False
    ):
        named = [each for each in plugins if f'"{name[:-3]}' in each]
        (tmp_path / name).write_text((named or [block])[0])

    # A command that is shown again need not be run again.
    ran = set()
    for shown in commands_in(text):
        assert shown.words[0] in KINDS, f"{shown}: what is to be done with such a command?"
        once = (KINDS[shown.words[0]], *shown.words[1:])
        if once not in ran:
            KINDS[shown.words[0]](shown, advise)
        ran.add(once)


def test_commands_are_found_in_blocks_in_sentences_and_after_a_prompt():
    text = (
        "Say `advisor\nstudies` or:\n```sh\nadvisor plugins   # all\n```\n"
        "```console\n$ advisor query x > y.csv\nadvisor is what it prints\n```\n`x` and `make`\n"
    )
    assert [str(shown) for shown in commands_in(text)] == [
        "advisor studies",
        "advisor plugins",
        "advisor query x",
    ]


def test_a_command_that_does_not_work_is_found(advise):
    for words in (["advisor", "new", "plugin", "wave"], ["advisor", "tune", "--no-such-option"]):
        with pytest.raises(AssertionError, match=words[1]):
            run_advisor(Shown(words, is_inline=False), advise)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_option_that_a_document_names_is_one(path):
    options = {"--help", "--version"}
    for name in COMMANDS:
        command = cli.get_command(None, name)
        several = command.commands.values() if isinstance(command, click.Group) else ()
        for each in (command, *several):
            options |= {option for parameter in each.params for option in parameter.opts}
    inline = re.findall(r"(?<!`)`(--[a-z][\w-]*)[^`]*`(?!`)", path.read_text())
    assert not set(inline) - options
