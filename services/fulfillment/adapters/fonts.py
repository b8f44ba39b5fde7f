"""Text on PDF labels: for each character a font that has it, in the order and with the joins its script wants."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol
from unicodedata import bidirectional, category

import uharfbuzz as hb
from bidi import algorithm as bidi
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import FILL_NON_ZERO, Canvas

from shared.value_object import value_object

# Most scripts, then Chinese, Japanese, Korean: the first that has a character sets it.
_KURINTO = ("KurintoSans", "KurintoSansSC", "KurintoSansJP", "KurintoSansKR")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


class Piece(Protocol):
    """A part of a line, set in one font."""

    def width(self, size: float) -> float:
        """Its width in points at this size."""

    def draw(self, canvas: Canvas, x: float, y: float, size: float) -> None:
        """Set it with its left end at this place."""


@value_object
class Plain:
    """Letters beside each other, from left to right, in a font that the page knows by name."""

    font: str
    text: str

    def width(self, size: float) -> float:
        """Its width in points at this size."""
        return float(pdfmetrics.stringWidth(self.text, self.font, size))

    def draw(self, canvas: Canvas, x: float, y: float, size: float) -> None:
        """Set it with its left end at this place."""
        canvas.setFont(self.font, size)
        canvas.drawString(x, y, self.text)


@value_object
class Shaped:
    """Letters that join, stack or run from right to left: glyphs with their places, in shares of the font's size."""

    font: "_Shaper"
    glyphs: tuple[tuple[int, float, float], ...]
    advance: float

    def width(self, size: float) -> float:
        """Its width in points at this size."""
        return self.advance * size

    def draw(self, canvas: Canvas, x: float, y: float, size: float) -> None:
        """Fill the glyphs' outlines with their left end at this place."""
        path = canvas.beginPath()
        for glyph, right, up in self.glyphs:
            at = (x + size * right, y + size * up)
            for step, numbers in self.font.outline(glyph):
                getattr(path, step)(*(at[index % 2] + size * number for index, number in enumerate(numbers)))
        canvas.drawPath(path, stroke=0, fill=1, fillMode=FILL_NON_ZERO)


class Fonts:
    """Vera for Latin text, DejaVu Sans Mono for Greek, Cyrillic and more.

    What neither has, and whatever runs from right to left, is shaped with Kurinto Sans, whose outlines go into the
    page. `extra` is tried before all of them: a TrueType font for scripts that they lack or set badly.
    """

    def __init__(self, extra: Path | None) -> None:
        paths = [
            ("Vera", "Vera.ttf"),
            ("DejaVuSansMono", str(files("barcode") / "fonts" / "DejaVuSansMono.ttf")),
        ]
        kurinto = files("weblate_fonts") / "static" / "weblate_fonts" / "kurinto" / "ttf"
        shaping = [str(kurinto / f"{name}-Rg.ttf") for name in _KURINTO]
        if extra is not None:
            paths.insert(0, ("Extra", str(extra)))
            shaping.insert(0, str(extra))
        self._embedded = [TTFont(name, path) for name, path in paths]
        for font in self._embedded:
            pdfmetrics.registerFont(font)
        self._shapers = [_Shaper(path) for path in shaping]

    def pieces(self, text: str) -> list[Piece]:
        """The text as pieces from left to right; a character that no font has becomes a question mark."""
        made: list[tuple[int, Piece]] = []
        for (level, font), letters in groupby(self._fonts(text), key=lambda each: each[:2]):
            part = "".join(char for *_, char in letters)
            if isinstance(font, _Shaper):
                made.append((level, font.shape(part, from_right=level % 2 == 1)))
            else:
                made.append((level, Plain(font or "Vera", part if font else "?" * len(part))))
        return _from_left(made)

    def _fonts(self, text: str) -> Iterator[tuple[int, "str | _Shaper | None", str]]:
        """Each character with the level of its direction and its font."""
        last: str | _Shaper | None = None
        for char, level in _levels(text):
            # Marks stay with their letter, and the blank in a phrase with its words.
            goes_with = (
                isinstance(last, _Shaper) and (category(char)[0] == "M" or char == " ") and char in last
            )
            last = last if goes_with else self._font(char, shaped=level % 2 == 1)
            yield level, last, char

    def _font(self, char: str, *, shaped: bool) -> "str | _Shaper | None":
        code = ord(char)
        shaper = next((shaper for shaper in self._shapers if char in shaper), None)
        if shaped:
            return shaper
        plain = (str(font.fontName) for font in self._embedded if code in font.face.charToGlyph)
        return next(plain, shaper)


class _Shaper:
    """One font for text that must be shaped."""

    def __init__(self, path: str) -> None:
        face = hb.Face(hb.Blob.from_file_path(path))
        self._font = hb.Font(face)
        self._em = float(face.upem)
        self._codes = face.unicodes
        self._pen = hb.DrawFuncs()
        self._pen.set_move_to_func(lambda x, y, to: to("moveTo", x, y))
        self._pen.set_line_to_func(lambda x, y, to: to("lineTo", x, y))
        self._pen.set_cubic_to_func(
            lambda *numbers_and_to: numbers_and_to[-1]("curveTo", *numbers_and_to[:-1])
        )
        self._pen.set_close_path_func(lambda to: to("close"))

    def __contains__(self, char: str) -> bool:
        return ord(char) in self._codes

    def shape(self, text: str, *, from_right: bool) -> Shaped:
        """The glyphs of a text that all runs in one direction, from left to right."""
        letters = hb.Buffer()
        letters.add_str(text)
        letters.guess_segment_properties()
        letters.direction = "rtl" if from_right else "ltr"
        hb.shape(self._font, letters)
        glyphs, pen = [], 0.0
        for info, place in zip(letters.glyph_infos, letters.glyph_positions, strict=True):
            glyphs.append((info.codepoint, (pen + place.x_offset) / self._em, place.y_offset / self._em))
            pen += place.x_advance
        return Shaped(self, tuple(glyphs), pen / self._em)

    def outline(self, glyph: int) -> list[tuple[str, tuple[float, ...]]]:
        """The steps of a pen around a glyph, in shares of the font's size."""
        steps: list[tuple[str, tuple[float, ...]]] = []

        def to(step: str, *numbers: float) -> None:
            steps.append((step, tuple(number / self._em for number in numbers)))

        self._font.draw_glyph(glyph, self._pen, to)
        return steps


def reads_from_right(text: str) -> bool:
    """Whether a line begins at the right: its first letter decides."""
    return bool(bidi.get_base_level(text))


def width(pieces: Sequence[Piece], size: float) -> float:
    """The width of pieces in points."""
    return sum(piece.width(size) for piece in pieces)


@lru_cache(maxsize=1_000)
def _levels(text: str) -> list[tuple[str, int]]:
    """Each character with its level by the Unicode bidirectional algorithm: odd ones run from right to left."""
    if not any(bidirectional(char) in _RIGHT_TO_LEFT for char in text):
        return [(char, 0) for char in text]
    base = bidi.get_base_level(text)
    line: dict[str, Any] = bidi.get_empty_storage()
    line["base_level"], line["base_dir"] = base, "LR"[base]
    bidi.get_embedding_levels(text, line)
    bidi.explicit_embed_and_overrides(line)
    bidi.resolve_weak_types(line)
    bidi.resolve_neutral_types(line, False)
    bidi.resolve_implicit_levels(line, False)
    return [(char["ch"], char["level"]) for char in line["chars"]]


def _from_left(pieces: list[tuple[int, Piece]]) -> list[Piece]:
    """Rule L2 of the algorithm: from the highest level down, whatever is at least at that level is turned round."""
    for level in range(max((level for level, _ in pieces), default=0), 0, -1):
        turned: list[tuple[int, Piece]] = []
        high: list[tuple[int, Piece]] = []
        for piece in pieces:
            if piece[0] >= level:
                high.append(piece)
            else:
                turned += [*reversed(high), piece]
                high = []
        pieces = [*turned, *reversed(high)]
    return [piece for _, piece in pieces]
