"""A PostgreSQL server of the tests' own, where its programs are installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

USER = "advisor"


def programs() -> Path:
    """The folder of PostgreSQL's programs. Skips the test where it or the driver is missing."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: pip install 'torch-advisor[postgresql]'")
    on_path = shutil.which("pg_ctl")
    debian = Path("/usr/lib/postgresql")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(debian.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    for folder in reversed(folders):
        if (folder / "initdb").exists():
            return folder
    pytest.skip("PostgreSQL is not installed: apt-get install postgresql")


class Server:
    """A server on a socket in a folder of its own and on a port of the loopback, which no network
    sees.
    """

    def __init__(self) -> None:
        self._bin = programs()
        # The path of a socket has at most 107 letters, and pytest's folders are closed to others.
        self.folder = Path(tempfile.mkdtemp(prefix="advisor-"))
        self._prefix: list[str] = []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            if shutil.which("setpriv") is None:
                pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
            self._prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            os.chown(self.folder, 65534, 65534)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._data = self.folder / "data"
        self._run("initdb", "-D", self._data, "-U", USER, "--auth=trust", "-E", "UTF8", "-N")
        self.start()

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self._port} -k {self.folder} -F"
        options += " -c max_connections=40"
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "120", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """End it and every connection to it."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "120", "-m", "fast", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def new_database(self, name: str) -> str:
        """The URL of a new database, by the socket."""
        self.run_sql("postgres", f'CREATE DATABASE "{name}"')
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{USER}@/{name}?host={self.folder}&port={self._port}"

    def url_by_network(self, name: str) -> str:
        """The URL of a database over TCP, as other machines have it."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self._port}/{name}"

    def run_sql(self, database: str, statement: str) -> list[tuple]:
        import psycopg

        words = {"host": str(self.folder), "port": self._port, "user": USER, "dbname": database}
        with psycopg.connect(**words, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *words: object) -> None:
        line = [*self._prefix, str(self._bin / program), *map(str, words)]
        subprocess.run(
            line, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
