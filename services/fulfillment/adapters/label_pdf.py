"""Labels for office printers: one PDF page of 4 x 6 inches."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import inch, mm
from reportlab.pdfgen.canvas import Canvas

from services.fulfillment.adapters.fonts import Fonts, Piece, reads_from_right, width
from services.fulfillment.adapters.label import Label

_WIDTH, _HEIGHT = 4 * inch, 6 * inch
_MARGIN = 5 * mm
_BLOCK = _WIDTH - 2 * _MARGIN
# GS1 General Specifications, symbol specification table 5: logistic labels want modules of at least
# 0.495 mm and bars of at least 32 mm.
_MODULE = 0.495 * mm
_BARS = 32 * mm
# A text too wide for one line is set down to this size in points, and in at most so many lines.
_SMALLEST = 6.0
_MOST_LINES = 3
_FNC1 = "\xf1"


def draw_pdf(label: Label, fonts: Fonts) -> bytes:
    """One label as a PDF page."""
    page = BytesIO()
    canvas = Canvas(page, pagesize=(_WIDTH, _HEIGHT), invariant=True)
    canvas.setTitle(f"Label {label.number}")
    top = _HEIGHT - _MARGIN
    for line in (label.carrier, *label.sender):
        top = _line(canvas, fonts, line, top, 8)
    top = _rule(canvas, top)
    for line in label.recipient:
        top = _line(canvas, fonts, line, top, 13)
    top = _rule(canvas, min(top, 68 * mm))
    for line in label.references:
        top = _line(canvas, fonts, line, top, 7.5)
    bars = Code128(
        f"{_FNC1}00{label.number}", barWidth=_MODULE, barHeight=_BARS, quiet=False, humanReadable=False
    )
    bars.drawOn(canvas, (_WIDTH - bars.width) / 2, 12 * mm)
    number = fonts.pieces(label.readable_number)
    _set(canvas, number, (_WIDTH - width(number, 11)) / 2, 6 * mm, 11)
    canvas.showPage()
    canvas.save()
    return page.getvalue()


def _line(canvas: Canvas, fonts: Fonts, text: str, top: float, size: float) -> float:
    """Draws a text under `top` and returns where the next may begin; what is too wide is set smaller, then broken."""
    whole = width(fonts.pieces(text), size)
    size = max(_SMALLEST, min(size, size * _BLOCK / max(whole, 1)))
    for part in islice(_broken(fonts, text, size), _MOST_LINES):
        pieces = fonts.pieces(part)
        left = _WIDTH - _MARGIN - width(pieces, size) if reads_from_right(text) else _MARGIN
        _set(canvas, pieces, left, top - size, size)
        top -= size * 1.2
    return top


def _set(canvas: Canvas, pieces: Sequence[Piece], x: float, y: float, size: float) -> None:
    for piece in pieces:
        piece.draw(canvas, x, y, size)
        x += piece.width(size)


def _broken(fonts: Fonts, text: str, size: float) -> Iterator[str]:
    """The text in parts that each fit a line, cut at blanks where there are any."""
    while text:
        lengths = range(1, len(text) + 1)
        fitting = bisect_right(
            lengths, _BLOCK + 0.001, key=lambda length: width(fonts.pieces(text[:length]), size)
        )
        cut = max(1, fitting)
        blank = text.rfind(" ", 1, cut + 1) if cut < len(text) else -1
        yield text[: blank if blank > 0 else cut]
        text = text[blank + 1 if blank > 0 else cut :]


def _rule(canvas: Canvas, top: float) -> float:
    canvas.line(_MARGIN, top - 2 * mm, _WIDTH - _MARGIN, top - 2 * mm)
    return float(top - 4 * mm)
