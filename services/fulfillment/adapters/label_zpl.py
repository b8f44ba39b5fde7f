"""Labels for label printers: ZPL II, 4 x 6 inches at 8 dots per millimetre (203 dpi).

Commands as in Zebra's ZPL II Programming Guide.
"""

from collections.abc import Sequence
from unicodedata import east_asian_width

from services.fulfillment.adapters.label import Label

_WIDTH, _HEIGHT = 812, 1218
_MARGIN = 30
_BLOCK = _WIDTH - 2 * _MARGIN
# Of the printer's own font: no letter is wider than this share of its height; below these heights in dots
# text is set in more lines, and never set smaller.
_UNIT = 0.7
_READABLE, _SMALLEST = 24, 15


def draw_zpl(label: Label) -> bytes:
    """One label as ZPL II.

    ^CI28 says that text is UTF-8. ^FH lets any byte be written as _xx, and every byte that is not plain
    text is, so that nothing a customer typed can be read as a command.
    """
    parts = ["^XA", "^CI28", f"^PW{_WIDTH}", f"^LL{_HEIGHT}", "^LH0,0"]
    top = _texts(parts, 30, (label.carrier, *label.sender), 24, most_lines=1)
    parts.append(_rule(top + 4))
    top = _texts(parts, top + 20, label.recipient, 40, most_lines=3)
    top = max(top + 10, 620)
    parts.append(_rule(top))
    _texts(parts, top + 16, label.references, 24, most_lines=1)
    parts.append(_barcode(label, 800))
    _texts(parts, 1120, (label.readable_number,), 36, most_lines=1)
    return "\n".join([*parts, "^XZ"]).encode("ascii")


def _barcode(label: Label, top: int) -> str:
    """GS1-128: >; starts subset C, >8 is FNC1. Four dots a module are 0.5 mm, GS1's least for parcels is 0.495."""
    return f"^FO94,{top}^BY4^BCN,260,N,N,N,N^FD>;>800{label.number}^FS"


def _rule(top: int) -> str:
    return f"^FO{_MARGIN},{top}^GB{_BLOCK},3,3^FS"


def _texts(parts: list[str], top: int, texts: Sequence[str], height: int, most_lines: int) -> int:
    """Adds texts below each other and returns where the next may begin; what is too long is set smaller."""
    for text in texts:
        fitting, size, lines = _fit(text, height, most_lines)
        field = f"^A0N,{size},{size}^FB{_BLOCK},{lines},0,L,0^FH_^FD{_escape(fitting)}^FS"
        parts.append(f"^FO{_MARGIN},{top}{field}")
        top += int(size * lines * 1.15)
    return top


def _fit(text: str, height: int, most_lines: int) -> tuple[str, int, int]:
    """Text, height and number of lines: what overflows a field block would be printed over its last line."""
    units = _units(text)
    lines = 1
    while _height(units, lines) < min(height, _READABLE) and lines < most_lines:
        lines += 1
    size = max(_SMALLEST, min(height, _height(units, lines)))
    while _height(_units(text), lines) < _SMALLEST:
        text = text[: -max(2, len(text) // 20)] + "…"
    return text, size, lines


def _height(units: int, lines: int) -> int:
    """The largest character height at which so many units surely fit; words never fill a line wholly."""
    return int(_BLOCK * lines * (1 if lines == 1 else 0.85) / (_UNIT * max(units, 1)))


def _units(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _escape(text: str) -> str:
    r"""In a field block a backslash starts a command of its own even when it is escaped, so it becomes a slash."""
    return "".join(
        chr(byte)
        if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in " .,-/()+:#'&")
        else f"_{byte:02X}"
        for byte in text.replace("\\", "/").encode()
    )
