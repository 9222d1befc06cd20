"""What people type, as machines read it: full-width forms, blanks, and days in the ways they are written."""

import re
import unicodedata
from datetime import date

_DAY = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?", re.ASCII)
_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)


def day_in(said: str) -> date | None:
    """The day somebody typed, year first; None where it is none."""
    text = plain(said)
    found = _DAY.fullmatch(text) or _DIGITS.fullmatch(text)
    if found is None:
        return None
    try:
        return date(*(int(part) for part in found.groups()))
    except ValueError:
        return None


def plain(text: str) -> str:
    """Without blanks, full-width forms made narrow: as an input method leaves them."""
    return "".join(unicodedata.normalize("NFKC", text).split())
