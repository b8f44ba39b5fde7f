"""Labels as machines read them: the number's check digit, the bars of the PDF, the commands of the ZPL."""

import re
import zlib
from base64 import a85decode
from datetime import UTC, datetime

import pytest
from barcode.codex import Gs1_128
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fulfillment.adapters.carriers import LocalCarrier
from services.fulfillment.adapters.fonts import Fonts, Plain, Shaped, reads_from_right, width
from services.fulfillment.adapters.label import clean
from services.fulfillment.adapters.label_pdf import _BLOCK, _broken
from services.fulfillment.adapters.sscc import check_digit, is_sscc, sscc
from services.fulfillment.domain.carrier import Consignment
from services.fulfillment.domain.shipment import Line, Shipment, Stage

CARRIER = LocalCarrier(gs1_prefix="0400000", tracking_url="https://t.test/{tracking_number}", font=None)
FONTS = Fonts(None)
PARCEL = Shipment(
    "parcel-1", "order-1", "hub", (Line("l0", "sku", 2, 450),), datetime(2026, 1, 1, tzinfo=UTC)
)
_MM = 72 / 25.4


def consignment(name: str, **address: str) -> Consignment:
    return Consignment(PARCEL, {"name": "Hub", "country": "DE"}, {"name": name, "country": "BR", **address})


async def drawn(name: str, form: str, **address: str) -> tuple[str, bytes]:
    goods = consignment(name, **address)
    booking = await CARRIER.book(goods, 42)
    return booking.tracking_number, await CARRIER.label(goods, booking, form)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "number",
    [
        "123451234512345120",  # SSCC of the Code 128 example in Zebra's ZPL II Programming Guide
        "106141412345678908",  # SSCC of GS1's EPC Tag Data Standard: urn:epc:id:sscc:0614141.1234567890
    ],
)
def test_published_numbers_have_the_right_check_digit(number: str) -> None:
    assert is_sscc(number)


def test_a_number_is_made_as_gs1_says() -> None:
    assert sscc("0614141", 1_234_567_890) == "106141412345678908"
    assert check_digit("629104150021") == 3  # GS1's worked example of the algorithm (a GTIN-13)


@given(st.integers(0, 10**10 - 1), st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(serial: int, place: int, by: int) -> None:
    number = sscc("0400000", serial)
    assert is_sscc(number)
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert not is_sscc(wrong)


@given(st.integers(0, 10**10 - 1), st.integers(0, 10**10 - 1))
def test_two_serials_never_share_a_number(one: int, other: int) -> None:
    assert (sscc("0400000", one) == sscc("0400000", other)) == (one == other)


def test_a_used_up_prefix_is_said() -> None:
    with pytest.raises(ValueError, match="get another prefix"):
        sscc("0400000", 10**10)


async def test_the_bars_of_the_pdf_are_the_code_128_of_the_number() -> None:
    number, pdf = await drawn("José Żółć Ελένη Жанна", "pdf")
    assert pdf.startswith(b"%PDF-")
    modules = "".join(bar_modules(page_content(pdf)))
    assert modules == Gs1_128(f"00{number}").build()[0]


async def test_the_pdf_survives_anything_a_customer_can_type() -> None:
    for name in ("", "שלום", "中文名 山田 김철수", "a" * 200, "((\\)", "\u202e^XA", "🎁" * 50, "W" * 200):
        number, pdf = await drawn(name, "pdf", street=name, street2=name, city=name, region=name)
        assert "".join(bar_modules(page_content(pdf))) == Gs1_128(f"00{number}").build()[0]


def in_order(text: str) -> list[str | float]:
    """The pieces of a line from left to right: plain ones by their text, shaped ones by their width."""
    return [
        piece.text if isinstance(piece, Plain) else round(piece.width(1), 2) for piece in FONTS.pieces(text)
    ]


def test_a_line_from_right_to_left_keeps_numbers_and_latin_words_readable() -> None:
    def alone(text: str) -> float:
        return round(FONTS.pieces(text)[0].width(1), 2)

    assert in_order("רחוב 45 א") == [alone(" א"), "45", alone("רחוב ")]
    assert reads_from_right("רחוב 45 א") and not reads_from_right("Str. 45 א")


def test_letters_join_stack_and_run_as_their_script_wants() -> None:
    (joined,) = FONTS.pieces("محمد")
    assert isinstance(joined, Shaped)
    alone = [FONTS.pieces(letter)[0] for letter in "محمد"]
    assert {glyph for glyph, *_ in joined.glyphs}.isdisjoint(each.glyphs[0][0] for each in alone[:3])  # type: ignore[attr-defined]
    (hebrew,) = FONTS.pieces("אב")
    first, second = (FONTS.pieces(letter)[0].glyphs[0][0] for letter in "אב")  # type: ignore[attr-defined]
    assert [glyph for glyph, *_ in hebrew.glyphs] == [second, first]  # type: ignore[attr-defined]
    (indic,) = FONTS.pieces("र्मि")
    assert len(indic.glyphs) < 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text", ["שלום", "محمد علي", "राजेश", "ถนนสุขุมวิท", "中文", "山田さん", "김철수", "Ελένη Жанна", "გია"]
)
def test_no_script_of_our_customers_becomes_question_marks(text: str) -> None:
    assert "?" not in "".join(piece.text for piece in FONTS.pieces(text) if isinstance(piece, Plain))
    for piece in FONTS.pieces(text):
        if isinstance(piece, Shaped):
            assert all(glyph != 0 for glyph, *_ in piece.glyphs)


@given(st.text(max_size=60))
def test_every_line_fits_or_is_broken_and_no_letter_is_lost(text: str) -> None:
    parts = list(_broken(FONTS, clean(text), 13))
    assert "".join(parts).replace(" ", "") == clean(text).replace(" ", "")
    assert all(len(part) == 1 or width(FONTS.pieces(part), 13) <= _BLOCK + 0.01 for part in parts)


def page_content(pdf: bytes) -> str:
    """The drawing commands of the page."""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        packed = a85decode(b"<~" + stream, adobe=True) if stream.endswith(b"~>") else stream
        text = zlib.decompressobj().decompress(packed).decode("latin-1")
        if text.startswith("1 0 0 1 0 0 cm"):
            return text
    raise AssertionError("no page content found")


def bar_modules(content: str) -> list[str]:
    """The bars as modules, `1` black and `0` white, from the rectangles drawn; one module is 0.495 mm."""
    rectangle = re.compile(r"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re")
    bars = sorted((float(x), float(w)) for x, _, w, h in rectangle.findall(content) if float(h) > 30 * _MM)
    modules, end = [], bars[0][0]
    for left, wide in bars:
        modules.append("0" * round((left - end) / (0.495 * _MM)))
        modules.append("1" * round(wide / (0.495 * _MM)))
        end = left + wide
    return modules


async def test_the_zpl_is_one_label_with_the_number_as_code_128() -> None:
    number, zpl = await drawn("José ^XA~JA _5E \\& Żółć", "zpl")
    text = zpl.decode("ascii")
    assert text.startswith("^XA\n^CI28")
    assert text.endswith("^XZ")
    assert f"^BCN,260,N,N,N,N^FD>;>800{number}^FS" in text
    assert "Jos_C3_A9 _5EXA_7EJA _5F5E /& _C5_BB_C3_B3_C5_82_C4_87" in text


@settings(max_examples=200)
@given(st.text(max_size=200), st.text(max_size=200))
async def test_no_text_becomes_a_command(name: str, street: str) -> None:
    _, zpl = await drawn(name, "zpl", street=street, city=street)
    text = zpl.decode("ascii")
    rule, bars, words = (
        r"\^GB\d+,3,3",
        r"\^BY4\^BC[N,0-9]+\^FD[>;0-9]+",
        r"\^A0N[^^~]+\^FB[^^~]+\^FH_\^FD[^^~]*",
    )
    for field in text.split("\n")[5:-1]:
        assert re.fullmatch(rf"\^FO\d+,\d+({rule}|{bars}|{words})\^FS", field)
    assert text.count("^XA") == text.count("^XZ") == 1
    assert "~" not in text
    *_, bottom = (int(top) for top in re.findall(r"\^FO30,(\d+)\^A0", text.split("^GB752,3,3")[1]))
    assert bottom < 620


def test_text_is_cleaned_of_what_is_no_letter() -> None:
    assert clean("a\u202eb\x00c\n d  e\ue000") == "a b c d e"
    assert clean("e\u0301") == "é"


def test_the_weight_is_the_packers_else_the_catalogues_else_unknown() -> None:
    assert consignment("x").weight_g == 900
    weighed = Shipment("p", "o", "h", PARCEL.lines, PARCEL.created_at, Stage.PACKED, weight_g=950)
    assert Consignment(weighed, {}, {}).weight_g == 950
    unknown = Shipment("p", "o", "h", (Line("l0", "sku", 2),), PARCEL.created_at)
    assert Consignment(unknown, {}, {}).weight_g is None
