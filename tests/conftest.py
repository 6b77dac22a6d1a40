from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # before torch is imported: spinning threads slow a busy machine

import pytest

PLUGIN = """\
import advisor

class Named(advisor.Technique):
    def __init__(self, slot, name, **space):
        self.slot, self.name, self.space = slot, name, space

    def apply(self, run, **params):
        return None
"""


@pytest.fixture(autouse=True)
def _own_surroundings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test sees the developer's database, nor what an earlier one has kept, and what a test puts
    on the path goes with it.
    """
    monkeypatch.delenv("ADVISOR_STORAGE", raising=False)
    kept = tmp_path_factory.getbasetemp() / f"kept-{secrets.token_hex(4)}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a file into the test's folder; returns its path."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def plugin(write: Callable[[str, str], str]) -> Callable[..., str]:
    """Write a plugin that brings slots and techniques, each given as Python text; returns its path.

    `Named(slot, name, **space)` is a technique that does nothing; in `slots`, `Slot` is advisor's.
    """

    def plugin(
        name: str, techniques: str | None = None, slots: str | None = None, more: str = ""
    ) -> str:
        hooks = {"slots": slots, "techniques": techniques}
        text = [
            f"@advisor.hookimpl\ndef {hook}():\n    return {body}\n"
            for hook, body in hooks.items()
            if body is not None
        ]
        return write(f"{name}.py", "\n".join([PLUGIN, "from advisor import Slot\n", *text, more]))

    return plugin


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def advise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run `advisor …` in this process and in the test's folder, by the door of the console script."""
    monkeypatch.chdir(tmp_path)
    # The signals of this process are those of pytest.
    monkeypatch.setattr("advisor.cli.signals.Signals.install", lambda self: None)

    def advise(*words: object) -> Said:
        from advisor.cli import main

        monkeypatch.setattr(sys, "argv", ["advisor", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return Said(end.value.code, *capsys.readouterr())

    return advise


@pytest.fixture
def blobs():
    """Two clouds of 120 points in four dimensions, as `(x, y)`."""
    import torch

    generator = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 2
    return torch.randn(120, 4, generator=generator) + 1.5 * y[:, None], y


@pytest.fixture(scope="session")
def host():
    """The host with the built-in plugins."""
    from advisor.host.host import load

    return load()


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server for all tests of a process; skips where there is none."""
    from postgres import Server

    server = Server()
    yield server
    server.remove()


@pytest.fixture
def server_url(server):
    """The URL of a new database on that server."""
    return server.new_database(f"test_{secrets.token_hex(4)}")
