"""Fonts for PDF labels: for each character the first font that has it."""

from importlib.resources import files
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

# PDF readers bring these; they are not embedded. One per script: (first, last code point, font).
_EAST_ASIAN = (
    (0x3040, 0x30FF, "HeiseiKakuGo-W5"),
    (0xAC00, 0xD7AF, "HYGothic-Medium"),
    (0x1100, 0x11FF, "HYGothic-Medium"),
    (0x3000, 0x303F, "STSong-Light"),
    (0x3400, 0x9FFF, "STSong-Light"),
    (0xFF00, 0xFFEF, "STSong-Light"),
)

Run = tuple[str, str]
"""A font name and the text to set in it."""


class Fonts:
    """Vera for Latin text, DejaVu Sans Mono for Greek, Cyrillic and more, PDF's own fonts for East Asian text.

    `extra` is tried first: a TrueType font for scripts that none of these has.
    """

    def __init__(self, extra: Path | None) -> None:
        paths = [
            ("Vera", "Vera.ttf"),
            ("DejaVuSansMono", str(files("barcode") / "fonts" / "DejaVuSansMono.ttf")),
        ]
        if extra is not None:
            paths.insert(0, ("Extra", str(extra)))
        self._embedded = [TTFont(name, path) for name, path in paths]
        for font in self._embedded:
            pdfmetrics.registerFont(font)
        for name in {name for _, _, name in _EAST_ASIAN}:
            pdfmetrics.registerFont(UnicodeCIDFont(name))

    def runs(self, text: str) -> list[Run]:
        """The text cut into pieces of one font each; a character that no font has becomes a question mark."""
        runs: list[Run] = []
        for char in text:
            font = self._font(char)
            name, drawn = (font, char) if font else ("Vera", "?")
            if runs and runs[-1][0] == name:
                runs[-1] = (name, runs[-1][1] + drawn)
            else:
                runs.append((name, drawn))
        return runs

    def _font(self, char: str) -> str | None:
        code = ord(char)
        for font in self._embedded:
            if code in font.face.charToGlyph:
                return str(font.fontName)
        return next((name for first, last, name in _EAST_ASIAN if first <= code <= last), None)


def width(runs: list[Run], size: float) -> float:
    """The width of runs in points."""
    return sum(float(pdfmetrics.stringWidth(text, font, size)) for font, text in runs)
