"""The catalogue of plugins, kept from one command to the next in the user's cache folder.

Loading the plugins loads torch. What they bring is kept as JSON beside digests of the files that
were read for it; where one of them has changed, the plugins are loaded again. A folder that cannot
be read or written is no error: the plugins are loaded each time.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from advisor import __version__
from advisor.cli.catalogue import Catalogue, catalogue_of
from advisor.content.files_read import FilesRead, files_read
from advisor.host.hookspecs import PROJECT
from advisor.imports import uncollected
from advisor.user_code import INSTALLED, OURS

FORM = 5
"""Grows when what is kept looks otherwise."""


def catalogue(files: Sequence[str] = (), without: Sequence[str] = ()) -> Catalogue:
    """What the installed plugins and plugin files bring.

    Arguments:
        files: paths of plugin files.
        without: names of plugins that are not loaded.

    Raises: what `advisor.host.host.load` raises.
    """
    place = place_of(files, without)
    kept = None if place is None else read(place)
    if kept is not None:
        return kept
    with uncollected(), files_read() as seen:
        from advisor.host.host import load

        host = load(files, without)
        found = catalogue_of(host)
    # What is broken now may be whole the next time, with the same files.
    if place is not None and not found.broken:
        own = [each.file for each in host.plugins if each.file is not None]
        write(place, found, sources(seen, [*own, *map(Path, files)]))
    return found


def place_of(files: Sequence[str], without: Sequence[str]) -> Path | None:
    """Where the catalogue of these plugins is kept; None where there is no place for it."""
    folder = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(folder) if os.path.isabs(folder) else Path.home() / ".cache"
        named = [(each, str(Path(each).resolve())) for each in files]
    except (OSError, RuntimeError):
        return None
    key = json.dumps([FORM, __version__, sys.version, installed(), named, list(without)])
    return base / "torch-advisor" / f"catalogue-{digest(key.encode())[:32]}.json"


def installed() -> list[object]:
    """What tells one set of installed packages from another: the plugins among them, and the names
    and versions of all.
    """
    plugins = []
    for entry in importlib.metadata.entry_points(group=PROJECT):
        dist = entry.dist
        plugins.append([entry.name, entry.value, dist and dist.name, dist and dist.version])
    packages: list[str] = []
    for folder in sys.path:
        with suppress(OSError):
            packages += (each for each in os.listdir(folder or ".") if "-info" in each[-10:])
    return [sorted(plugins, key=str), sorted(packages)]


# --- the files that it rests on -----------------------------------------------------------------


def sources(seen: FilesRead, own: Iterable[Path]) -> dict[str, str]:
    """Digests of the files that a catalogue rests on, by whole path.

    What Python and other packages are made of is told by their versions.

    Arguments:
        seen: what was read while the plugins were loaded.
        own: the files of the plugins themselves.
    """
    code = [str(path.resolve()) for path in own]
    for path in seen.read:
        if path.endswith(".pyc"):
            with suppress(ValueError):
                path = importlib.util.source_from_cache(path)
        is_foreign = any(part in path for part in INSTALLED) and not path.startswith(OURS)
        if path.endswith(".py") and not is_foreign:
            code.append(path)
    here = Path.cwd()
    settings = [str(here / name) for name in seen.digests(here)]
    return {path: digest_of_file(path) for path in sorted({*code, *settings})}


def digest_of_file(path: str) -> str:
    """A digest of a file; empty where it cannot be read, or is none."""
    try:
        return digest(Path(path).read_bytes()) if os.path.isfile(path) else ""
    except OSError:
        return ""


def digest(data: bytes) -> str:
    """A digest as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


# --- the file that it is kept in ----------------------------------------------------------------


def read(place: Path) -> Catalogue | None:
    """The catalogue that is kept in a file; None where there is none of the files as they are."""
    try:
        plain: Any = json.loads(place.read_text("utf-8"))
        if any(digest_of_file(path) != was for path, was in plain["files"].items()):
            return None
        return Catalogue.from_plain(plain["catalogue"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def write(place: Path, found: Catalogue, files: dict[str, str]) -> None:
    """Keep a catalogue with digests of the files that it rests on, where that is possible."""
    # A plugin may have a range that is no JSON; then nothing is kept.
    with suppress(OSError, TypeError, ValueError):
        text = json.dumps({"files": files, "catalogue": asdict(found)})
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whole or not at all: another command may read it meanwhile.
        unfinished = place.with_suffix(f".{os.getpid()}")
        try:
            unfinished.write_text(text, "utf-8")
            os.replace(unfinished, place)
        finally:
            unfinished.unlink(missing_ok=True)
