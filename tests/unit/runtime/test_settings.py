"""Wrong settings are refused at the start, each by its name."""

import pytest
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import InvalidSettings, ServiceSettings, load

URL = "postgresql+psycopg://u:secret@h/d"


class Settings(ServiceSettings):
    """Of some service."""

    model_config = SettingsConfigDict(env_prefix="OMS_SOME_", frozen=True, extra="ignore")


def test_every_faulty_setting_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_SOME_HTTP_PORT", "port")
    monkeypatch.setenv("OMS_SOME_POOL_SIZE", "1")
    monkeypatch.setenv("OMS_SOME_DATABASE_URL", "mysql://u:secret@h/d")
    with pytest.raises(InvalidSettings) as refused:
        load(Settings)
    for name in ("OMS_SOME_HTTP_PORT", "OMS_SOME_POOL_SIZE", "OMS_SOME_DATABASE_URL"):
        assert name in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMS_SOME_DATABASE_URL", raising=False)
    with pytest.raises(InvalidSettings, match="OMS_SOME_DATABASE_URL"):
        load(Settings)


def test_a_services_own_variable_wins_over_the_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_SOME_DATABASE_URL", URL)
    monkeypatch.setenv("OMS_KAFKA", "all:1")
    assert load(Settings).kafka == "all:1"
    monkeypatch.setenv("OMS_SOME_KAFKA", "own:1")
    assert load(Settings).kafka == "own:1"


def test_a_faulty_variable_for_all_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_SOME_DATABASE_URL", URL)
    monkeypatch.setenv("OMS_TRACE_RATIO", "much")
    monkeypatch.setenv("OMS_MAX_PAGE", "5")
    with pytest.raises(InvalidSettings, match=r"(?s)MAX_PAGE.*TRACE_RATIO"):
        load(Settings)


def test_a_service_keeps_its_own_default_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(Settings):
        max_page: int = 200

    monkeypatch.setenv("OMS_SOME_DATABASE_URL", URL)
    monkeypatch.setenv("OMS_KAFKA", "all:1")
    assert load(Short).max_page == 200
