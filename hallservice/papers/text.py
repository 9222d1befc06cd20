"""Text that may stand on paper: what cannot be seen is refused, not printed."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from canonical.errors import ValueRefused

_INVISIBLE = frozenset(
    {"Cc", "Cf", "Cs", "Zl", "Zp"}
)  # controls, formats (bidi too), lone surrogates, separators
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 4  # upon one letter: more of them climb over the lines above


def printable(text: str) -> str:
    """Refuses control_character and too_many_marks."""
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category in _INVISIBLE:
            raise ValueRefused("control_character", f"U+{ord(character):04X} cannot be printed")
        marks = marks + 1 if category in _MARKS else 0
        if marks > _MOST_MARKS:
            raise ValueRefused("too_many_marks", f"at most {_MOST_MARKS} combining marks upon one letter")
    return text


def one_line(text: str) -> str:
    """Without a break; refuses line_break before anything else."""
    if "\n" in text or "\r" in text:
        raise ValueRefused("line_break", "one line of text is wanted")
    return printable(text)


def paragraphs(text: str) -> str:
    """Line breaks as LF; each line printable."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(printable(line) for line in lines)


def filled(text: str) -> str:
    """Refuses empty where nothing but blanks would be printed."""
    if not text.strip():
        raise ValueRefused("empty", "blanks are no text")
    return text


_SAID = AfterValidator(filled)
Line = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(one_line), _SAID]
Short = Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(one_line), _SAID]
Maybe = Annotated[str, StringConstraints(max_length=300), AfterValidator(one_line)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(paragraphs), _SAID]
MaybeText = Annotated[str, StringConstraints(max_length=4000), AfterValidator(paragraphs)]
