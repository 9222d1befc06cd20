"""The base of every coded text: parsed once by its constructor, a str ever after."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from canonical.errors import ValueRefused


class TextValue(str):
    """A str that exists only in its allowed form; refuses not_text, too_long, bad_form, more in `_check`."""

    __slots__ = ()
    pattern: ClassVar[str]
    meaning: ClassVar[str]
    length: ClassVar[tuple[int, int]]
    _fullmatch: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "pattern"):
            cls._fullmatch = re.compile(cls.pattern, re.ASCII).fullmatch

    def __new__(cls, text: object) -> Self:
        if type(text) is cls:
            return text
        if not isinstance(text, str):
            raise ValueRefused("not_text", f"{cls.__name__} is text, not {type(text).__name__}")
        if len(text) > cls.length[1]:
            raise ValueRefused("too_long", f"{cls.__name__} has at most {cls.length[1]} characters")
        if not cls._fullmatch(text):
            raise ValueRefused("bad_form", f"{cls.__name__} is: {cls.meaning}")
        value = super().__new__(cls, text)
        value._check()
        return value

    def _check(self) -> None:
        """What a pattern cannot say; raises ValueRefused."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        low, high = cls.length
        return {
            "type": "string",
            "title": cls.__name__,
            "description": cls.meaning,
            "pattern": f"^(?:{cls.pattern})$",
            "minLength": low,
            "maxLength": high,
        }


class PersonalValue(TextValue):
    """Text that names a person: its repr is masked, so that logs and tracebacks do not carry it."""

    __slots__ = ()
    shown: ClassVar[tuple[int, int]]

    def masked(self) -> str:
        """The value with its middle starred, for screens of people who need not see it."""
        head, tail = self.shown
        return f"{self[:head]}{'*' * (len(self) - head - tail)}{self[len(self) - tail :]}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.masked()!r})"


def expect_check(expected: str, found: str, name: str) -> None:
    """Refuses with check_digit unless both characters agree."""
    if expected != found:
        raise ValueRefused("check_digit", f"the check character of {name} does not fit the rest")


def completed(body: str, alphabet: str, check: Callable[[str], str]) -> str:
    """`body` with its check character appended; bad_form if outside the alphabet or of a wrong length."""
    if not set(body) <= set(alphabet):
        raise ValueRefused("bad_form", "characters outside the alphabet of the check algorithm")
    try:
        return body + check(body)
    except ValueError:
        raise ValueRefused("bad_form", "not the number of characters the check algorithm takes") from None
