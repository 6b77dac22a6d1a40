"""`advisor new`: files to start from."""

from __future__ import annotations

import importlib.machinery
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from advisor.errors import InputError, explain
from advisor.host.host import load
from advisor.streams import say
from advisor.values import LONGEST_FILE, shown

MOST_LETTERS = 200
"""Letters of a plugin's name; a file's name has little more, with the ending."""


@dataclass(frozen=True)
class Form:
    """A form in which a plugin can be begun.

    Attributes:
        files: templates, and the files that they become.
        commands: what to do next.
    """

    files: Mapping[str, str]
    commands: Sequence[str]


ONE_FILE = Form(
    files={"plugin.py.jinja": "{name}.py"},
    commands=("advisor check {name}.py", "advisor tune STUDY.py --plugin {name}.py"),
)
"""A plugin in one file."""
PACKAGE = Form(
    files={
        "plugin.py.jinja": "advisor-{name}/advisor_{name}/__init__.py",
        "pyproject.toml.jinja": "advisor-{name}/pyproject.toml",
        "test.py.jinja": "advisor-{name}/tests/test_{name}.py",
        "README.md.jinja": "advisor-{name}/README.md",
    },
    commands=(
        "pip install -e advisor-{name}",
        "pytest advisor-{name}",
        "advisor check {name}",
        "advisor tune STUDY.py",
    ),
)
"""A plugin as a distribution."""


@click.group("new")
def command() -> None:
    """Write files to start from."""


@command.command("plugin")
@click.argument("name")
@click.option(
    "--package",
    is_flag=True,
    help="a distribution with entry point, tests and README instead of one file",
)
def plugin(name: str, package: bool) -> None:
    """Write NAME.py, a working plugin: an activation with a parameter that a search varies."""
    check_name(name)
    check_name_is_free(name)
    form = PACKAGE if package else ONE_FILE
    files = {template: Path(path.format(name=name)) for template, path in form.files.items()}
    # All or nothing: a package is not left half written over another one.
    for path in files.values():
        check_absent(path)

    for template, path in files.items():
        write(path, render(template, name))
        say(f"wrote {path}")
    say("Next:")
    for line in form.commands:
        say(f"  {line.format(name=name)}")


def check_name(name: str) -> None:
    """Raise `InputError` where a Python file cannot be called so."""
    if len(name) > MOST_LETTERS:
        raise InputError(
            f"{shown(name)} has {len(name)} letters, and the name of a plugin's file has at most "
            f"{MOST_LETTERS}, so that its ending has room in {LONGEST_FILE}."
        )
    if is_module_name(name):
        return
    # The nearest name that would do.
    similar = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    hint = f" Write {similar}." if is_module_name(similar) else ""
    raise InputError(
        f"{name!r} cannot be a plugin's name: "
        f"lower-case letters, digits and '_', because it becomes a file name.{hint}"
    )


def check_name_is_free(name: str) -> None:
    """Raise `InputError` where a plugin, a technique or a module is called so already."""
    # Two plugins, or two techniques of a slot, of one name could not be told apart.
    host = load()
    advice = f"such as my_{name}."
    if any(plugin.name == name for plugin in host.plugins):
        raise InputError(
            f"{name!r}: an installed plugin is called so. Write another name, {advice}"
        )
    for slot, techniques in host.techniques.items():
        if name in techniques:
            there = f"there is a technique of that name for the slot {slot}"
            raise InputError(f"{name!r}: {there}. Write another, {advice}")
    if is_module(name):
        hidden = f"a Python module is called so, and {name}.py would hide it"
        raise InputError(f"{name!r}: {hidden}. Write another, {advice}")


def check_absent(path: Path) -> None:
    """Raise `InputError` where there is a file already."""
    if path.exists():
        raise InputError(
            f"{path} is there already, and nothing was written. "
            "Choose another name, or move it away."
        )


def is_module_name(name: str) -> bool:
    """Whether a Python file can be called so, in small letters."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]*", name)) and not keyword.iskeyword(name)


def is_module(name: str) -> bool:
    """Whether `import name` finds a module outside the current directory."""
    # The current directory does not count: that is where the plugin will be.
    elsewhere = [folder for folder in sys.path if Path(folder).resolve() != Path.cwd()]
    spec = importlib.machinery.PathFinder.find_spec(name, elsewhere)
    return name in sys.stdlib_module_names or spec is not None


def render(template: str, name: str) -> str:
    """The text of a template for a plugin of that name."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("advisor.cli"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # these are Python and Markdown, not HTML
    )
    # `my_relu` becomes `MyRelu`.
    class_name = "".join(part.capitalize() for part in name.split("_"))
    return environment.get_template(template).render(name=name, cls=class_name)


def write(path: Path, text: str) -> None:
    """Write a file, with its folder. Raises `InputError` when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise InputError(
            f"{path} cannot be written ({explain(problem)}); go to a folder of yours."
        ) from problem
