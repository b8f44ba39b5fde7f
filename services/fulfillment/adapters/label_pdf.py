"""Labels for office printers: one PDF page of 4 x 6 inches."""

from io import BytesIO

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import inch, mm
from reportlab.pdfgen.canvas import Canvas

from services.fulfillment.adapters.fonts import Fonts, width
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
    number = fonts.runs(label.readable_number)
    canvas.setFont(number[0][0], 11)
    canvas.drawCentredString(_WIDTH / 2, 6 * mm, label.readable_number)
    canvas.showPage()
    canvas.save()
    return page.getvalue()


def _line(canvas: Canvas, fonts: Fonts, text: str, top: float, size: float) -> float:
    """Draws a text under `top` and returns where the next may begin; what is too wide is set smaller, then broken."""
    whole = width(fonts.runs(text), size)
    size = max(_SMALLEST, min(size, size * _BLOCK / max(whole, 1)))
    for piece in _broken(fonts, text, size)[:_MOST_LINES]:
        drawing = canvas.beginText(_MARGIN, top - size)
        for font, run in fonts.runs(piece):
            drawing.setFont(font, size)
            drawing.textOut(run)
        canvas.drawText(drawing)
        top -= size * 1.2
    return top


def _broken(fonts: Fonts, text: str, size: float) -> list[str]:
    pieces = [""]
    for char in text:
        if width(fonts.runs(pieces[-1] + char), size) <= _BLOCK:
            pieces[-1] += char
            continue
        head, blank, tail = pieces[-1].rpartition(" ")
        pieces[-1:] = [head, tail + char] if blank and head else [pieces[-1], char]
    return pieces


def _rule(canvas: Canvas, top: float) -> float:
    canvas.line(_MARGIN, top - 2 * mm, _WIDTH - _MARGIN, top - 2 * mm)
    return float(top - 4 * mm)
