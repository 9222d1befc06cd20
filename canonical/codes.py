"""Code lists as data: the standard's code, the English name messages carry, the Chinese label people read.

A list lies in data/codes/<key>.toml with its source and date; `checked = false` says that its numbers were
not compared with the printed text of the source. An unknown code is refused, never guessed.
"""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from canonical.errors import ValueRefused

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a code list."""

    code: str
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class CodeList:
    """One frozen list; codes and names stand one to one."""

    key: str
    title: str
    source: str
    date: str
    checked: bool
    entries: tuple[Entry, ...]
    _by_code: dict[str, Entry] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_code", {entry.code: entry for entry in self.entries})
        object.__setattr__(self, "_by_name", {entry.name: entry for entry in self.entries})
        if not len(self._by_code) == len(self._by_name) == len(self.entries) > 0:
            raise ValueRefused("broken_code_list", f"{self.key}: codes and names do not stand one to one")
        if not all(_KEY.fullmatch(entry.name) and entry.code and entry.label for entry in self.entries):
            raise ValueRefused(
                "broken_code_list", f"{self.key}: an entry lacks a code, a snake_case name or a label"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The English names in the order of the source."""
        return tuple(entry.name for entry in self.entries)

    def name(self, code: str) -> str:
        """The English name of a code; unknown_code."""
        return self._found(self._by_code, code).name

    def label(self, code: str) -> str:
        """The Chinese label of a code; unknown_code."""
        return self._found(self._by_code, code).label

    def code(self, name: str) -> str:
        """The code of an English name; unknown_code."""
        return self._found(self._by_name, name).code

    def label_of(self, name: str) -> str:
        """The Chinese label of an English name; unknown_code."""
        return self._found(self._by_name, name).label

    def _found(self, index: dict[str, Entry], key: object) -> Entry:
        entry = index.get(key) if isinstance(key, str) else None
        if entry is None:
            raise ValueRefused("unknown_code", f"not in the code list {self.key}")
        return entry


@cache
def code_list(key: str) -> CodeList:
    """The list of that key, read once; unknown_code_list, broken_code_list."""
    source = files("canonical") / "data" / "codes" / f"{key}.toml"
    if not _KEY.fullmatch(key) or not source.is_file():
        raise ValueRefused("unknown_code_list", "there is no code list of that name")
    return parse_code_list(key, source.read_text(encoding="utf-8"))


def parse_code_list(key: str, text: str) -> CodeList:
    """A code list from the text of its TOML file; broken_code_list."""
    try:
        data = tomllib.loads(text)
        entries = tuple(Entry(*map(str, row)) for row in data.pop("entries"))
        return CodeList(key=key, entries=entries, **data)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ValueRefused("broken_code_list", f"{key}: {error}") from None


def code_list_keys() -> tuple[str, ...]:
    """The keys of every list that ships, sorted."""
    folder = files("canonical") / "data" / "codes"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir()))


@dataclass(frozen=True, slots=True)
class Coded:
    """Marks a str field as carrying an English name of one code list, which is read when first needed."""

    key: str

    def __call__(self, value: object) -> str:
        return code_list(self.key)._found(code_list(self.key)._by_name, value).name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        names = list(code_list(self.key).names)
        return {"type": "string", "enum": names, "x-code-list": self.key}


def coded(key: str) -> Coded:
    """For `Annotated[str, coded("applicant_type")]`: the names of that list, an enum in JSON Schema."""
    return Coded(key)
