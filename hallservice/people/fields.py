"""Reading the fields of a form: one line of text, bounded, without characters nobody sees."""

import unicodedata
from collections.abc import Mapping, MutableSequence

from hallservice.refusals import FieldFault


def wrong(field: str, said: str) -> FieldFault:
    """A field whose value cannot be."""
    return FieldFault(field, "invalid", said)


def line(given: Mapping[str, object], name: str, faults: MutableSequence[FieldFault], most: int) -> str:
    """The text of a field without blanks around it; '' where it is not given."""
    value = given.get(name)
    text = "" if value is None else str(value).strip()
    if len(text) > most:
        faults.append(FieldFault(name, "too_long", f"最多 {most} 个字符，现在有 {len(text)} 个"))
        return ""
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        faults.append(wrong(name, "含有看不见的字符，请重新输入"))
        return ""
    return text


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
