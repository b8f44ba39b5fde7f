"""Databases and their owners: one each per service, and no way from one to another's."""

import secrets
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.local.errors import PlatformError


def with_role(admin: str, *, role: str, password: str, database: str) -> str:
    """The SQLAlchemy address of `database` on the server of the `admin` address, for this role."""
    parts = urlsplit(admin)
    host = parts.netloc.rpartition("@")[2]
    address = (f"{quote(role, safe='')}:{quote(password, safe='')}@{host}", f"/{quote(database, safe='')}")
    return urlunsplit(("postgresql+psycopg", *address, parts.query, ""))


def within(admin: str, database: str) -> str:
    """The admin's own address of another database."""
    return urlunsplit(urlsplit(admin)._replace(path=f"/{quote(database, safe='')}"))


def connect(admin: str) -> psycopg.Connection:
    """A connection without a transaction; a server that cannot be reached is said with its address."""
    try:
        return psycopg.connect(admin, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        server = urlsplit(admin)
        raise PlatformError(
            f"cannot reach PostgreSQL at {server.hostname}:{server.port}: {str(error).strip().splitlines()[-1]}",
            "check that it runs and that the address and password are right",
        ) from error


def ensure(admin: str, *, database: str, role: str, password: str, may_reset_password: bool) -> None:
    """A database, owned by a role of its own that can log in with this password; nobody else may connect to it.

    Safe to repeat and to interrupt. On a server that is not ours an existing role's password is never changed: somebody
    may be using it.
    """
    with connect(admin) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if known and not may_reset_password:
            raise PlatformError(
                f"role {role} exists on this PostgreSQL server, and this folder does not know its password",
                "set OMS_DATABASE_PREFIX to a prefix of your own, or drop the role and its database",
            )
        options = sql.SQL("{} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(password)
        )
        verb = sql.SQL("ALTER ROLE ") if known else sql.SQL("CREATE ROLE ")
        connection.execute(verb + options)
        name = sql.Identifier(database)
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            # CREATE DATABASE ... OWNER needs membership in the role, which an admin who is no superuser lacks.
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(role)))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))


def close_to_public(admin: str) -> None:
    """On a server of our own also the databases that every PostgreSQL has are closed to the services' roles."""
    with connect(admin) as connection:
        connection.execute("REVOKE ALL ON DATABASE postgres FROM PUBLIC")
        connection.execute("REVOKE ALL ON DATABASE template1 FROM PUBLIC")
        available = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'"
        if connection.execute(available).fetchone():
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def server_version(admin: str) -> str:
    """As the server says it, without the packager's additions."""
    with connect(admin) as connection:
        row = connection.execute("SHOW server_version").fetchone()
        return str(row[0]).split()[0] if row else "unknown"


def fresh(admin: str, name: str) -> str:
    """A new empty database with an owner of its own and a name that nothing else has; returns its address."""
    unique = f"{name}_{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(16)
    ensure(admin, database=unique, role=unique, password=password, may_reset_password=False)
    return with_role(admin, role=unique, password=password, database=unique)


def drop(admin: str, database: str) -> None:
    """Delete a database made by `fresh` and its owner, whoever is still connected."""
    with connect(admin) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(database)))
