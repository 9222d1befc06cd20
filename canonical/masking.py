"""Personal data as people see it who need not know it: names keep their first character, ID numbers the first
6 and last 2, mobiles the first 3 and last 4. Free text is searched for all three."""

import re
from collections.abc import Iterator

NAMES = frozenset(
    {
        "approver", "sent_by", "received_by", "collector", "payer", "verified_by", "clerk", "signed_by",
        "complainant", "holder_name",
    }
)  # fmt: skip
"""Members that hold a person's name."""
PEOPLE = frozenset({"applicant", "contact", "officer", "holder", "holders", "sender", "receiver", "staff"})
"""Members that hold people, each with a `name`; an `address` there is a person's."""
OPAQUE = frozenset({"fields", "details"})
"""Pairs of name and value that only another system understands (a certificate, a verification)."""

_DAY = r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_ID = re.compile(rf"(?<![0-9A-Za-z])[1-9][0-9]{{5}}{_DAY}[0-9]{{3}}[0-9Xx](?![0-9A-Za-z])", re.ASCII)
_MOBILE = re.compile(r"(?<![0-9A-Za-z])1[3-9][0-9]{9}(?![0-9A-Za-z])", re.ASCII)


def masked(value: object) -> object:
    """A copy of a canonical payload (its JSON form), or of any text, without personal data."""
    names = sorted({name for name in _names(value, "") if len(name) > 1}, key=len, reverse=True)
    return _copy(value, "", "", names)


def name_masked(text: str) -> str:
    """The first character, and a star for each other."""
    return text[:1] + "*" * (len(text) - 1)


def document_masked(text: str) -> str:
    """The first 6 and last 2 of an ID number; of shorter numbers the first and the last."""
    head, tail = (6, 2) if len(text) >= 15 else (1, 1)
    return (
        text[:head] + "*" * (len(text) - head - tail) + text[-tail:]
        if len(text) > head + tail
        else "*" * len(text)
    )


def text_masked(text: str) -> str:
    """Free text with the ID numbers and mobiles in it masked."""
    text = _ID.sub(lambda found: document_masked(found[0]), text)
    return _MOBILE.sub(lambda found: f"{found[0][:3]}****{found[0][-4:]}", text)


def _names(value: object, within: str) -> Iterator[str]:
    """Every name of a person, so that free text can be searched for it."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str) and _is_name(within, key):
                yield item
            else:
                yield from _names(item, key)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item, within)


def _is_name(within: str, key: str) -> bool:
    return key in NAMES or (key == "name" and within in PEOPLE)


def _copy(value: object, within: str, key: str, names: list[str]) -> object:
    if isinstance(value, dict):
        return {name: _copy(item, key, name, names) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item, within, key, names) for item in value]
    return _text(value, within, key, names) if isinstance(value, str) else value


def _text(text: str, within: str, key: str, names: list[str]) -> str:
    if key == "query_password":
        return "*" * len(text)
    if key == "document_no":
        return document_masked(text)
    if key == "address" and within in PEOPLE:
        return text[:6] + "*" * max(len(text) - 6, 0)
    if key == "email":
        return text[:1] + "***" + text[text.rfind("@") :] if "@" in text else name_masked(text)
    if _is_name(within, key) or (within in OPAQUE and key == "value"):
        return name_masked(text)
    for name in names:
        text = text.replace(name, name_masked(name))
    return text_masked(text)
