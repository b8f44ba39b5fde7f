"""Wrong settings are refused by name."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.notifications.settings import Settings

URL = "postgresql+psycopg://nobody@127.0.0.1/none"


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"smtp_security": "ssl"},
        {"sender": "no address"},
        {"sender": "a@b\r\nBcc: c@d"},
        {"smtp_per_second": -1},
        {"claim_seconds": 60, "smtp_timeout_seconds": 30},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        Settings(database_url=URL, **wrong)
    assert next(iter(wrong)) in str(error.value)


def test_the_password_is_not_shown() -> None:
    assert "geheim" not in repr(Settings(database_url=URL, smtp_password="geheim"))


def test_every_setting_is_documented() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
