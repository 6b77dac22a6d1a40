"""PostgreSQL's lock on one study, which keeps coordinators on all machines apart."""

from __future__ import annotations

import hashlib
import threading

import sqlalchemy as sa

from advisor.errors import AdvisorError, MachineError, explain
from advisor.store.location import without_password

KEEP_ALIVE_SECONDS = 60.0
"""How often a lock's connection is used, so that nothing on the way takes it for forgotten."""

# With these the server notices after two minutes that the machine of a coordinator is gone.
_NOTICE_DEATH = (
    "SET tcp_keepalives_idle = 60",
    "SET tcp_keepalives_interval = 15",
    "SET tcp_keepalives_count = 4",
)
_TAKE = sa.text("SELECT pg_try_advisory_lock(:key)")
_IS_HELD = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND pid = pg_backend_pid() AND objsubid = 1 "
    "AND ((CAST(classid AS bigint) << 32) | CAST(objid AS bigint)) = :key"
)


class ServerLock:
    """A lock that one session of a PostgreSQL database holds for a study.

    It has a connection of its own and goes with it; no transaction of the engine begins when it is
    lost. The server keeps the locks of its databases apart.
    """

    def __init__(self, engine: sa.Engine, study: str) -> None:
        self._engine = engine
        self._study = study
        self._connection: sa.Connection | None = None
        self._key = 0
        self._turn = threading.Lock()  # one thread at a time uses the connection
        self._is_over = threading.Event()

    def take(self) -> bool:
        """Take the lock, or return False where another session holds it.

        Raises `MachineError` where the server does not answer.
        """
        try:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection = connection
            connection.detach()  # the pool does not close it, and lends it to nobody
            for statement in _NOTICE_DEATH:
                connection.exec_driver_sql(statement)
            self._key = key_of(connection, self._study)
            is_ours = bool(connection.execute(_TAKE, {"key": self._key}).scalar())
        except sa.exc.SQLAlchemyError as problem:
            raise self._lost(problem) from problem

        if is_ours:
            sa.event.listen(self._engine, "begin", self._check_at_begin)
            threading.Thread(target=self._keep_alive, daemon=True).start()
        return is_ours

    def check(self) -> None:
        """Raises `MachineError` where the lock is not held any more."""
        try:
            with self._turn:
                if self._connection is None:
                    return
                is_held = self._connection.execute(_IS_HELD, {"key": self._key}).scalar()
        except sa.exc.SQLAlchemyError as problem:
            raise self._lost(problem) from problem
        if not is_held:
            raise self._lost(None)

    def give_back(self) -> None:
        """Let others take the lock."""
        self._is_over.set()
        with self._turn:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        if sa.event.contains(self._engine, "begin", self._check_at_begin):
            sa.event.remove(self._engine, "begin", self._check_at_begin)
        connection.close()

    def _check_at_begin(self, connection: sa.Connection) -> None:
        if connection is not self._connection:
            self.check()

    def _keep_alive(self) -> None:
        while not self._is_over.wait(KEEP_ALIVE_SECONDS):
            try:
                self.check()
            except AdvisorError:
                return  # the next transaction is refused, too

    def _lost(self, problem: sa.exc.SQLAlchemyError | None) -> MachineError:
        """The error about a lock that is lost, or that could not be taken."""
        cause = "its session was exchanged for another, as a pool of connections may do"
        if problem is not None:
            url = self._engine.url.render_as_string(hide_password=False)
            cause = without_password(explain(problem), url)
        return MachineError(
            f"Study {self._study!r} has no lock in the database any more, so that another process "
            f"may run it: {cause}. What was written is kept."
        )


def key_of(connection: sa.Connection, study: str) -> int:
    """The number of a study's lock: schemas of a database hold studies of their own."""
    schema = connection.execute(sa.select(sa.func.current_schema())).scalar()
    digest = hashlib.sha256(f"{schema}\n{study}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
