"""Wrong settings are refused at the start, by name."""

from pathlib import Path

import pytest

from services.fulfillment.settings import Settings
from shared.runtime.settings import InvalidSettings, load

DATABASE = "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize("prefix", ["", "12345", "12345678901", "040000x"])
def test_a_wrong_gs1_prefix_is_named(prefix: str) -> None:
    with pytest.raises(InvalidSettings, match="OMS_FULFILLMENT_GS1_PREFIX"):
        load(Settings, database_url=DATABASE, gs1_prefix=prefix)


def test_a_label_font_must_be_truetype(tmp_path: Path) -> None:
    font = tmp_path / "font.otf"
    font.write_bytes(b"OTTO....")
    with pytest.raises(InvalidSettings, match="LABEL_FONT: .*TrueType"):
        load(Settings, database_url=DATABASE, label_font=font)
    with pytest.raises(InvalidSettings, match="LABEL_FONT"):
        load(Settings, database_url=DATABASE, label_font=tmp_path / "missing.ttf")
