"""The rules of the house, held by machine."""

from __future__ import annotations

import ast
import graphlib
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import advisor
from advisor.host.host import load

ROOT = Path(__file__).parent.parent
CODE = sorted((ROOT / "advisor").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
MODULES: set[str] = set()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# What each room imports. A room is a folder of advisor/, or a file beside them. An arrow that is not
# drawn here is not wanted; one that is drawn and not used is a mistake of this table.
ARROWS = {
    "calls": "errors",
    "imports": "",
    "errors": "",
    "user_code": "errors",
    "faults": "errors",
    "events": "",
    "file_lock": "",
    "temporary": "file_lock",
    "record": "",
    "script": "",
    "streams": "errors",
    "__main__": "cli",
    "nested": "",
    "notebook": "",
    "randomness": "",
    "readable": "",
    "space": "",
    "values": "errors",
    "task_rules": "errors technique values",
    "study": "calls errors task_rules values",
    "named_query": "",
    "technique": "space",
    "model": "errors",
    "loading": "errors values",
    "content": "loading",
    "data": "errors loading nested randomness readable task_rules temporary values",
    "training": "data errors faults model nested randomness readable study task_rules technique user_code "
    "values",
    "integrations": "",
    "diagnosis": "errors faults model nested randomness readable record technique training user_code",
    "host": "errors loading named_query space technique user_code",
    "slots": "data errors model randomness space technique training",
    "store": "errors file_lock named_query technique training values",
    "work": "content data diagnosis errors faults host loading model nested randomness readable script "
    "slots study technique streams temporary training user_code values",
    "search": "content data errors events faults host model nested randomness readable record space store study technique "
    "training user_code work",
    "verdict": "content diagnosis errors events loading notebook randomness readable record search store study technique training "
    "user_code work",
    "comparing": "content diagnosis errors events loading model notebook randomness record search store temporary training "
    "user_code verdict work",
    "api": "comparing content diagnosis errors events host imports loading model notebook randomness readable search store streams study "
    "technique training user_code values verdict work",
    "report": "api comparing diagnosis errors events host model randomness readable "
    "search slots space store streams technique training values verdict",
    "cli": "api comparing content errors exporting host imports loading named_query report store streams study technique "
    "testing user_code values verdict work",
    "testing": "data diagnosis errors host model nested randomness slots space study technique training",
    "exporting": "content data errors loading model nested randomness readable search slots store study technique "
    "training user_code values verdict work",
}
# Libraries that belong to these rooms, and to those that import one of them.
LIBRARIES = {
    "torch": "loading model nested randomness",
    "numpy": "nested data randomness",
    "pandas": "data",
    "sklearn": "data",
    "scipy": "slots verdict",
    "pluggy": "host",
    "optuna": "store search",
    "sqlalchemy": "store",
    "click": "cli",
    "rich": "report",
}
HEAVY = ("torch", "numpy", "scipy", "optuna", "sqlalchemy", "pandas", "sklearn")


class Import(NamedTuple):
    """One import: of which module, and which name of it (None for the module itself), on which
    line.
    """

    module: str
    name: str | None
    line: int


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def inside(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES.update(map(module_name, CODE))


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from running(other)
            continue
        yield child
        yield from running(child)


def imports(path: Path) -> Iterator[Import]:
    package = (
        module_name(path).split(".")
        if path.name == "__init__.py"
        else module_name(path).split(".")[:-1]
    )
    for node in running(tree(path)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, None, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)


def room(module: str) -> str:
    """`host` for `advisor.host.host`; the empty word for `advisor` itself."""
    return [*module.split("."), ""][1]


def home(found: Import) -> str:
    """The module that an import inside advisor/ reaches, also through the package's lazy names."""
    if found.module != "advisor":
        return found.module
    return advisor._HOME.get(
        found.name or "", f"advisor.{found.name}" if found.name in ARROWS else "advisor"
    )


def arrows() -> dict[str, set[str]]:
    """The rooms that each room imports, as the code has it."""
    drawn: dict[str, set[str]] = {}
    for path in CODE:
        mine = room(module_name(path))
        for found in imports(path):
            if found.module.split(".")[0] == "advisor":
                drawn.setdefault(mine, set()).add(room(home(found)))
    # The package itself is the door to all rooms; every room may read its version.
    return {mine: others - {mine, ""} for mine, others in drawn.items() if mine}


def test_every_arrow_between_rooms_is_declared_and_every_declared_arrow_is_there():
    drawn = arrows()
    declared = {name: set(others.split()) for name, others in ARROWS.items()}
    assert {name: drawn.get(name, set()) for name in declared} == declared
    assert set(drawn) <= set(declared)


def test_the_rooms_have_an_order_without_a_circle():
    graph = {name: others.split() for name, others in ARROWS.items()}
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_the_files_have_an_order_without_a_circle():
    graph = {}
    for path in CODE:
        mine = module_name(path)
        graph[mine] = {
            other
            for found in imports(path)
            for other in (f"{found.module}.{found.name}", home(found))
            if other in MODULES and other not in (mine, "advisor")
        }
    assert list(graphlib.TopologicalSorter(graph).static_order())


def reachable(name: str) -> set[str]:
    """A room with all that it imports, directly or not."""
    rooms = {name}
    for other in ARROWS[name].split():
        rooms |= reachable(other)
    return rooms


@pytest.mark.parametrize("path", CODE, ids=inside)
def test_a_library_is_imported_in_its_room_or_above_and_plugins_nowhere(path):
    name = room(module_name(path))
    below = reachable(name) if name in ARROWS else set()
    tops = [(found.module.split(".")[0], found.line) for found in imports(path)]
    low = [
        f"line {line}: {top}"
        for top, line in tops
        if top in LIBRARIES and below.isdisjoint(LIBRARIES[top].split())
    ]
    assert not low
    assert not [line for top, line in tops if top in ("advisor_plugins", "plugins")]


@pytest.mark.parametrize("path", PLUGINS, ids=inside)
def test_plugins_use_the_public_names_of_advisor_and_nothing_deeper(path):
    deep = [
        f"line {found.line}: {found.module} {found.name or ''}"
        for found in imports(path)
        if found.module.split(".")[0] == "advisor"
        and (found.module != "advisor" or found.name not in {None, *advisor.__all__})
    ]
    deep += [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) == "advisor"
        and node.attr not in advisor.__all__
    ]
    assert not deep


@pytest.mark.parametrize("root", ["advisor", "plugins"])
def test_no_two_classes_have_one_name(root):
    places: dict[str, list[str]] = {}
    for path in (ROOT / root).rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(inside(path))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_no_two_files_of_a_room_have_one_name():
    places: dict[tuple[str, str], list[str]] = {}
    for path in [*CODE, *PLUGINS]:
        if path.name not in ("__init__.py", "base.py"):
            parts = path.relative_to(ROOT).parts
            places.setdefault((*parts[:2], path.name)[:3], []).append(inside(path))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def bodies(path: Path) -> Iterator[int]:
    """How many lines each function's body has, without its docstring."""
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            yield body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_nine_functions_in_ten_have_at_most_fifteen_lines():
    for root in (CODE, PLUGINS):
        lines = sorted(count for path in root for count in bodies(path))
        assert lines[int(0.9 * len(lines))] <= 15


# Everything that is kept between calls, with what it is kept by. Nothing is kept by a name.
KEPT_BY = {
    "advisor/store/creation.py": "nothing: the Optuna that is installed",
    "advisor/loading/script_values.py": "the text of the source",
    "advisor/model/tracing/torch_activations.py": "the classes and functions of torch",
    "advisor/model/writing/describe.py": "the functions of torch",
    "advisor/model/swapping/rewrite.py": "the text of the source",
    "advisor/model/swapping/subclass.py": "the class and the edits themselves",
    "advisor/slots/gain.py": "a class or function of torch, and the values that it is given",
    "plugins/activation/tailored.py": "the name of a function and the number that is asked of it",
    "plugins/embedding/from_file.py": "files with the times of their last change, in nanoseconds",
    "plugins/embedding/reading.py": "the same, and the words that are read",
}


@pytest.mark.parametrize("path", [*CODE, *PLUGINS], ids=inside)
def test_what_is_kept_between_calls_is_kept_by_content(path):
    decorators = [
        ast.unparse(decorator)
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for decorator in node.decorator_list
    ]
    kept = [each for each in decorators if re.search(r"\b(lru_)?cache\b", each)]
    assert not kept or inside(path) in KEPT_BY, f"what is this kept by? {kept}"


@pytest.fixture(scope="module")
def techniques() -> set[str]:
    """Names of the techniques of the built-in plugins."""
    found = {
        name.partition(".")[2]
        for plugin in load().plugins
        if plugin.built_in
        for name in plugin.techniques
    }
    assert len(found) > 5
    return found


def docstrings(module: ast.Module) -> set[int]:
    """Ids of the nodes that are docstrings, also those that stand under a constant or a field."""
    return {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def test_no_technique_is_named_in_the_code_of_advisor(techniques):
    # a technique is a whole string, or stands in one as slot=name or slot.name; the English words
    # "he" and "tanh" may
    within = re.compile(r"[\w-]+[=.](" + "|".join(map(re.escape, sorted(techniques))) + r")\b")
    named = []
    for path in CODE:
        module = tree(path)
        skip = docstrings(module)
        for node in ast.walk(module):
            text = (
                node.value
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in skip
                else ""
            )
            if text in techniques or within.search(text):
                named.append(f"{inside(path)}:{node.lineno}: {text!r}")
    assert not named


@pytest.mark.parametrize("path", [*CODE, *PLUGINS], ids=inside)
def test_a_room_is_under_400_lines(path):
    assert len(path.read_text().splitlines()) < 400


@pytest.mark.parametrize(
    "code",
    [
        "import advisor; advisor.Study, advisor.Task, advisor.Float, advisor.Slot, advisor.Technique, advisor.InputError",
        "import advisor; advisor.hookimpl",
        "from advisor.cli import main; main()",
        "from advisor.cli import main; sys.argv[1:] = ['query', '--schema']; main()",
        "from advisor.cli import main; sys.argv[1:] = ['query', 'advisor_trials', '--storage', os.devnull]; main()",
        "from advisor.cli import main; sys.argv[1:] = ['show', '--storage', os.devnull]; main()",
        "from advisor.cli import main; sys.argv[1:] = ['studies', '--storage', os.devnull]; main()",
        "import advisor.cli.kept_catalogue",
    ],
    ids=[
        "import advisor",
        "hookimpl",
        "--help",
        "query --schema",
        "query",
        "show",
        "studies",
        "plugins",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    program = f"""
import os, sys
sys.argv = ["advisor", "--help"]
try:
    {code}
except SystemExit:
    pass
print("loaded:", *(name for name in {HEAVY!r} if name in sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    assert ended.stdout.splitlines()[-1] == "loaded:"


def test_every_package_is_listed_for_the_wheel():
    setup = PROJECT["tool"]["setuptools"]
    folders = {folder: package for package, folder in setup["package-dir"].items()}
    found = set()
    for path in [*CODE, *PLUGINS]:
        parts = path.relative_to(ROOT).parent.parts
        found.add(".".join([folders[parts[0]], *parts[1:]]))
    assert found == set(setup["packages"])
    unopened = {
        inside(path.parent)
        for path in [*CODE, *PLUGINS]
        if not (path.parent / "__init__.py").is_file()
    }
    assert not unopened


@pytest.mark.parametrize("name", [name for name in advisor.__all__ if not name.startswith("__")])
def test_every_public_name_resolves_and_is_documented(name):
    thing = getattr(advisor, name)
    assert name in dir(advisor)
    own = inspect.getdoc(thing) if not inspect.isclass(thing) else thing.__doc__
    if name == "hookimpl":
        own = documented_constant(
            "advisor/host/hookspecs.py", name
        )  # an instance: its docstring stands under it
    assert own
    assert len(own.strip()) > 20
    assert not own.startswith(f"{name}("), "a dataclass's made-up signature is no docstring"


def documented_constant(path: str, name: str) -> str:
    body = tree(ROOT / path).body
    index = next(
        i
        for i, node in enumerate(body)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    following = body[index + 1]
    assert isinstance(following, ast.Expr)
    return ast.literal_eval(following.value)


def test_a_name_that_is_not_public_is_refused_with_those_that_are():
    with pytest.raises(AttributeError, match=r"no attribute 'Stduy'.*Study"):
        advisor.Stduy  # noqa: B018  # the access is the test  # the access is the test


def test_type_checkers_see_the_same_public_names_as_programs():
    guard = next(
        node for node in tree(ROOT / "advisor/__init__.py").body if isinstance(node, ast.If)
    )
    seen = {
        alias.name: found.module
        for found in guard.body
        if isinstance(found, ast.ImportFrom)
        for alias in found.names
    }
    assert seen == advisor._HOME
    for name, module in advisor._HOME.items():
        assert hasattr(importlib.import_module(module), name)


def public(node: ast.AST) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public classes, functions and methods; not what is defined inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(
            child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        ) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


@pytest.mark.parametrize("path", [*CODE, *PLUGINS], ids=inside)
def test_what_is_public_has_a_docstring(path):
    assert not [
        f"line {node.lineno}: {node.name}"
        for node in public(tree(path))
        if not ast.get_docstring(node)
    ]


def plain(requirement: str) -> str:
    """`scikit-learn` for `Scikit_Learn>=1.5`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", requirement.strip())[0]).lower()


def test_constraints_pin_every_direct_dependency():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    loose = [
        line
        for line in lines
        if line and not line.startswith("#") and not re.fullmatch(r"[\w.-]+==[\w.+!-]+", line)
    ]
    assert not loose
    pinned = {plain(line) for line in lines}
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = {
        plain(each)
        for each in [
            *PROJECT["project"]["dependencies"],
            *(name for extra in extras for name in extra),
        ]
    }
    assert wanted <= pinned, wanted - pinned


def test_every_dependency_is_imported_and_every_import_is_a_dependency():
    names = {"scikit-learn": "sklearn", "sqlalchemy": "sqlalchemy", "pillow": "pil"}
    declared = {names.get(plain(each), plain(each)) for each in PROJECT["project"]["dependencies"]}
    extras = PROJECT["project"]["optional-dependencies"]
    optional = {
        names.get(plain(each), plain(each)) for each in [*extras["embedding"], *extras["dask"]]
    }
    used = {
        found.module.split(".")[0].lower() for path in [*CODE, *PLUGINS] for found in imports(path)
    }
    foreign = (
        used
        - {name.lower() for name in sys.stdlib_module_names}
        - {"advisor", "advisor_plugins", "plugins"}
    )
    theirs = {"pytest"}  # advisor.testing imports it inside a test of a plugin's, which it runs
    assert foreign - declared - optional - theirs == set()
    behind = {"pyarrow"}  # pandas imports it to read Parquet
    assert declared - foreign == behind


def test_no_file_of_the_repository_knows_where_it_lies():
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: there is no list of the repository's files")
    place = re.compile(rb"(?<![\w.])/(home|root|work)/")
    files = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    texts = {path: path.read_bytes() for path in files if path.is_file()}
    told = [
        f"{inside(path)}: {found.group()!r}"
        for path, text in texts.items()
        if (found := place.search(text))
    ]
    assert len(files) > 50
    assert not told
