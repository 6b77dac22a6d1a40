"""`advisor new`: files to start from."""

from __future__ import annotations

import importlib.machinery
import keyword
import re
import sys
from pathlib import Path

import click

from advisor.errors import InputError, explain
from advisor.host.host import load

ONE_FILE = {"plugin.py.jinja": "{name}.py"}
"""The template of a plugin in one file, and the file that it becomes."""
PACKAGE = {
    "plugin.py.jinja": "advisor-{name}/advisor_{name}/__init__.py",
    "pyproject.toml.jinja": "advisor-{name}/pyproject.toml",
    "test.py.jinja": "advisor-{name}/tests/test_{name}.py",
    "README.md.jinja": "advisor-{name}/README.md",
}
"""The templates of a plugin as a distribution, and the files that they become."""


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
    templates = PACKAGE if package else ONE_FILE
    files = {template: Path(path.format(name=name)) for template, path in templates.items()}
    # Nothing is written where a part of it would overwrite something.
    for path in files.values():
        if path.exists():
            raise InputError(
                f"{path} is there already, and nothing was written. "
                "Choose another name, or move it away."
            )
    for template, path in files.items():
        write(path, render(template, name))
        click.echo(f"wrote {path}")

    commands = [f"advisor check {name}.py", f"advisor tune STUDY.py --plugin {name}.py"]
    if package:
        commands = [
            f"pip install -e advisor-{name}",
            f"pytest advisor-{name}",
            f"advisor check {name}",
            "advisor tune STUDY.py",
        ]
    click.echo("Next:")
    for line in commands:
        click.echo(f"  {line}")


def check_name(name: str) -> None:
    """Raise `InputError` where a plugin cannot be called so."""
    if not is_module_name(name):
        similar = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
        hint = f" Write {similar}." if is_module_name(similar) else ""
        raise InputError(
            f"{name!r} cannot be a plugin's name: "
            f"small letters, digits and '_', for it is a Python file.{hint}"
        )

    # Neither a plugin nor a technique nor a module may have the name already.
    host = load()
    if any(plugin.name == name for plugin in host.plugins):
        raise InputError(
            f"{name!r}: an installed plugin is called so. Write another name, such as my_{name}."
        )
    for slot, techniques in host.techniques.items():
        if name in techniques:
            raise InputError(
                f"{name!r}: there is a technique of that name for the slot {slot}. "
                f"Write another, such as my_{name}."
            )
    elsewhere = [folder for folder in sys.path if Path(folder).resolve() != Path.cwd()]
    installed = importlib.machinery.PathFinder.find_spec(name, elsewhere)
    if name in sys.stdlib_module_names or installed is not None:
        raise InputError(
            f"{name!r}: a Python module is called so, and {name}.py would hide it. "
            f"Write another, such as my_{name}."
        )


def is_module_name(name: str) -> bool:
    """Whether a Python file can be called so, in small letters."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]*", name)) and not keyword.iskeyword(name)


def render(template: str, name: str) -> str:
    """The text of a template for a plugin of that name."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("advisor.cli"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # these are Python and Markdown, not HTML
    )
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
