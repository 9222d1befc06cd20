"""Fonts named by settings, and which characters they can show: what none can is replaced and reported."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTFont

from hallservice.papers.refusals import misconfigured

REPLACEMENT = "□"
RARE_FOLDERS = ("/usr/share/fonts/truetype/hanazono", "/usr/share/fonts/truetype/babelstone")


@dataclass(frozen=True, slots=True)
class FontSettings:
    """Families by name. `rare` are asked for what the others lack, and only where they are installed.

    The package of Noto Serif SC and Noto Sans SC is always there; `folders` are looked through besides it.
    """

    body: tuple[str, ...] = ("Noto Serif SC",)
    title: tuple[str, ...] = ("Noto Serif SC",)
    label: tuple[str, ...] = ("Noto Sans SC",)
    rare: tuple[str, ...] = ("HanaMinA", "HanaMinB", "BabelStone Han")
    folders: tuple[Path, ...] = tuple(map(Path, RARE_FOLDERS))


@dataclass(frozen=True, slots=True)
class MissingGlyph:
    """A character no font has; `where` are the fields it stands in."""

    code_point: str
    where: tuple[str, ...]


@lru_cache(maxsize=8)
def font_set(settings: FontSettings) -> "FontSet":
    """The same for the same settings: reading which characters a font has takes a second."""
    return FontSet(settings)


class FontSet:
    """The font files of the settings, opened once when first asked."""

    def __init__(self, settings: FontSettings) -> None:
        self._settings = settings

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Folders that exist, the shipped one first."""
        shipped = Path(import_module("pylopdf_fonts_zh_cn").serif_path()).parent
        return tuple(str(folder) for folder in (shipped, *self._settings.folders) if folder.is_dir())

    @cached_property
    def _files(self) -> Mapping[str, Path]:
        """File by family; the first file of a family counts."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(Path(folder).iterdir()):
                if path.suffix.lower() in {".otf", ".ttf"}:
                    found.setdefault(_family(path), path)
        return found

    @cached_property
    def rare(self) -> tuple[str, ...]:
        return tuple(family for family in self._settings.rare if family in self._files)

    @cached_property
    def lists(self) -> dict[str, list[str]]:
        """Families per style, in the order typst asks them; Misconfigured(font_missing) for one not found."""
        named = {"body": self._settings.body, "title": self._settings.title, "label": self._settings.label}
        for family in sorted({family for families in named.values() for family in families}):
            if family not in self._files:
                raise misconfigured("font_missing", family)
        last = (*self._settings.body, *self.rare)
        return {style: list(dict.fromkeys((*families, *last))) for style, families in named.items()}

    @cached_property
    def _shown(self) -> bytearray:
        """One byte a code point: 1 where the fonts every style ends with have a glyph."""
        shown = bytearray(0x110000)
        for family in (*self._settings.body, *self.rare):
            for point in _points(self._files[family]):
                shown[point] = 1
        return shown

    def lacks(self, character: str) -> bool:
        """Private use is never shown: PDF/A-2a forbids it, and what it means is one machine's secret."""
        if unicodedata.category(character) == "Co":
            return True
        return not (self._shown[ord(character)] or character in "\n " or _selects_a_variant(character))

    def missing_in(self, data: object) -> tuple[MissingGlyph, ...]:
        """Characters of the JSON value that no font has, by code point, with the fields they stand in."""
        found: dict[str, list[str]] = {}
        for path, text in _texts(data, ""):
            for character in sorted(set(text)):
                if self.lacks(character):
                    found.setdefault(character, []).append(path)
        return tuple(MissingGlyph(f"U+{ord(c):04X}", tuple(found[c])) for c in sorted(found))

    def replaced(self, data: Any) -> Any:
        """The same JSON value with □ for every character no font has."""
        if isinstance(data, str):
            return "".join(REPLACEMENT if self.lacks(c) else c for c in data)
        if isinstance(data, Mapping):
            return {key: self.replaced(value) for key, value in data.items()}
        return [self.replaced(value) for value in data] if isinstance(data, list | tuple) else data


def _selects_a_variant(character: str) -> bool:
    """A variation selector has no glyph of its own: a font without the variant shows the usual form."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _texts(data: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _texts(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list | tuple):
        for number, value in enumerate(data):
            yield from _texts(value, f"{path}.{number}")


def _family(path: Path) -> str:
    with TTFont(path, lazy=True) as font:
        names = font["name"]
        return str(names.getDebugName(16) or names.getDebugName(1) or path.stem)


def _points(path: Path) -> set[int]:
    with TTFont(path, lazy=True) as font:
        return set(font.getBestCmap())
