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
PACKAGE = {
    "plugin.py.jinja": "advisor-{name}/advisor_{name}/__init__.py",
    "pyproject.toml.jinja": "advisor-{name}/pyproject.toml",
    "test.py.jinja": "advisor-{name}/tests/test_{name}.py",
    "README.md.jinja": "advisor-{name}/README.md",
}
"""Template, and the file that it becomes."""


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
    _check_name(name)
    files = {
        template: Path(path.format(name=name))
        for template, path in (PACKAGE if package else ONE_FILE).items()
    }
    for path in files.values():
        if path.exists():
            raise InputError(
                f"{path} is there already, and nothing was written. Choose another name, or move it away."
            )
    for template, path in files.items():
        _write(path, render(template, name))
        click.echo(f"wrote {path}")
    click.echo("Next:")
    for line in _next(name, package):
        click.echo(f"  {line}")


def render(template: str, name: str) -> str:
    """The text of a template for a plugin of that name."""
    import jinja2

    surroundings = jinja2.Environment(
        loader=jinja2.PackageLoader("advisor.cli"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # these are Python and Markdown, and the name is a checked identifier
    )
    words = "".join(part.capitalize() for part in name.split("_"))
    return surroundings.get_template(template).render(name=name, cls=words)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        said = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
        hint = (
            f" Write {said}."
            if re.fullmatch(r"[a-z][a-z0-9_]*", said) and not keyword.iskeyword(said)
            else ""
        )
        raise InputError(
            f"{name!r} cannot be a plugin's name: small letters, digits and '_', for it is a Python file.{hint}"
        )
    host = load()
    if any(plugin.name == name for plugin in host.plugins):
        raise InputError(
            f"{name!r}: an installed plugin is called so. Write another name, such as my_{name}."
        )
    slot = next((slot for slot, found in host.techniques.items() if name in found), None)
    if slot:
        raise InputError(
            f"{name!r}: there is a technique of that name for the slot {slot}. Write another, such as my_{name}."
        )
    elsewhere = [place for place in sys.path if Path(place).resolve() != Path.cwd()]
    if (
        name in sys.stdlib_module_names
        or importlib.machinery.PathFinder.find_spec(name, elsewhere) is not None
    ):
        raise InputError(
            f"{name!r}: a Python module is called so, and {name}.py would hide it. Write another, such as my_{name}."
        )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise InputError(
            f"{path} cannot be written ({explain(problem)}); go to a folder of yours."
        ) from problem


def _next(name: str, package: bool) -> list[str]:
    if package:
        return [
            f"pip install -e advisor-{name}",
            f"pytest advisor-{name}",
            f"advisor check {name}",
            "advisor tune STUDY.py",
        ]
    return [f"advisor check {name}.py", f"advisor tune STUDY.py --plugin {name}.py"]
