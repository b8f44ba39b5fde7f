"""No service's role can reach another service's database."""

from itertools import permutations

import psycopg
import pytest

from deploy.local import Platform
from deploy.local.settings import SERVICES

pytestmark = pytest.mark.platform


def _psycopg(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_owns_its_database(platform: Platform, service: str) -> None:
    with psycopg.connect(_psycopg(platform.database_url(service))) as connection:
        connection.execute("CREATE TABLE proof (id int)")
        row = connection.execute("SELECT current_user, current_database(), version()").fetchone()
        connection.rollback()
    assert row is not None
    assert row[:2] == (service, service)
    assert "PostgreSQL 18" in row[2]


@pytest.mark.parametrize(("service", "other"), list(permutations(SERVICES, 2)))
def test_a_service_cannot_connect_to_anothers_database(platform: Platform, service: str, other: str) -> None:
    url = _psycopg(platform.database_url(service))
    elsewhere = url.rpartition("/")[0] + f"/{other}"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(elsewhere)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_cannot_connect_to_the_common_databases(platform: Platform, service: str) -> None:
    url = _psycopg(platform.database_url(service))
    for common in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url.rpartition("/")[0] + f"/{common}")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_more_rights_than_its_own_database(platform: Platform, service: str) -> None:
    with psycopg.connect(platform.admin_url) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
            "WHERE rolname = %s",
            [service],
        ).fetchone()
    assert row == (False,) * 5


def test_a_wrong_password_does_not_get_in(platform: Platform) -> None:
    host = platform.admin_url.rpartition("@")[2].rpartition("/")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://orders:guess@{host}/orders")


def test_passwords_are_kept_from_other_people(platform: Platform) -> None:
    for name in ("state.json", "secrets.json"):
        mode = (platform.instance.folder / name).stat().st_mode & 0o777
        assert mode == 0o600, name


def test_a_scratch_database_is_fresh_and_its_owner_is_confined(platform: Platform) -> None:
    first, second = platform.create_database("scratch"), platform.create_database("scratch")
    try:
        assert first != second
        with psycopg.connect(_psycopg(first)) as connection:
            connection.execute("CREATE TABLE proof (id int)")
        stranger = _psycopg(first).rpartition("/")[0] + "/" + second.rpartition("/")[2]
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(stranger)
    finally:
        platform.drop_database(first)
        platform.drop_database(second)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(_psycopg(first))
