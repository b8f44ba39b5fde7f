"""What the databases did: statements, transactions, WAL, sizes. Statements need pg_stat_statements, which the native
platform loads; without it they are None."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict

Statement = tuple[str, str]
"""Service and text."""


@dataclass(frozen=True)
class Counted:
    """Counters of one moment."""

    wal_bytes: int
    commits: int
    statements: Mapping[Statement, tuple[int, int, float]] | None
    """Calls, rows and milliseconds by statement; those of the benchmark itself are left out."""


@dataclass(frozen=True)
class Spent:
    """Between two moments."""

    wal_bytes: int
    commits: int
    statements: int | None
    """Without BEGIN, COMMIT and the like."""
    control: int | None
    """BEGIN, COMMIT, ROLLBACK, SET, DEALLOCATE."""
    by_statement: Mapping[Statement, tuple[int, int, float]] = field(default_factory=dict)


CONTROL = (
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET",
    "DEALLOCATE",
    "SHOW",
    "RELEASE",
    "SAVEPOINT",
    "START TRANSACTION",
)

_STATEMENTS = """
SELECT d.datname, s.query, sum(s.calls)::bigint, sum(s.rows)::bigint, sum(s.total_exec_time)
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.userid
WHERE d.datname = ANY(%s) AND r.rolname <> current_user AND s.toplevel
GROUP BY d.datname, s.query
"""


class Postgres:
    """Reads the counters of some databases of one server."""

    def __init__(self, admin_url: str, databases: Mapping[str, str]) -> None:
        self._connection = psycopg.connect(admin_url, autocommit=True)
        self._names = {str(conninfo_to_dict(url)["dbname"]): service for service, url in databases.items()}
        found = self._connection.execute(
            "SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'"
        ).fetchone()
        self._has_statements = found is not None

    @property
    def backend(self) -> int:
        """The process that serves this connection."""
        return self._connection.info.backend_pid

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def count(self) -> Counted:
        """Counters as they are now."""
        names = list(self._names)
        wal = self._connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        commits = self._connection.execute(
            "SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname = ANY(%s)", (names,)
        ).fetchone()
        assert wal is not None and commits is not None
        statements = None
        if self._has_statements:
            rows = self._connection.execute(_STATEMENTS, (names,)).fetchall()
            statements = {
                (self._names[name], query): (calls, count, milliseconds)
                for name, query, calls, count, milliseconds in rows
            }
        return Counted(int(wal[0]), int(commits[0] or 0), statements)


def spent(before: Counted, after: Counted) -> Spent:
    """What happened in between."""
    wal, commits = after.wal_bytes - before.wal_bytes, after.commits - before.commits
    if before.statements is None or after.statements is None:
        return Spent(wal, commits, None, None)
    changed = {}
    for key, (calls, rows, milliseconds) in after.statements.items():
        was = before.statements.get(key, (0, 0, 0.0))
        if calls > was[0]:
            changed[key] = (calls - was[0], rows - was[1], milliseconds - was[2])
    control = sum(calls for (_, query), (calls, _, _) in changed.items() if query.upper().startswith(CONTROL))
    return Spent(wal, commits, sum(calls for calls, _, _ in changed.values()) - control, control, changed)


def sizes(connection_url: str) -> dict[str, dict[str, int]]:
    """Of each table of a database: bytes of table and of indexes, dead rows."""
    query = """SELECT relname, pg_table_size(relid), pg_indexes_size(relid), n_dead_tup, n_live_tup
               FROM pg_stat_user_tables"""
    with psycopg.connect(connection_url, autocommit=True) as connection:
        return {
            name: {"table_bytes": table, "index_bytes": indexes, "dead_rows": dead, "live_rows": live}
            for name, table, indexes, dead, live in connection.execute(query)
        }
