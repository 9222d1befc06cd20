"""Reading a form: every fault is collected with its field and said in Chinese, then all are shown at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from canonical.codes import code_list
from canonical.errors import ValueRefused
from canonical.values import CreditCode, IdNumber, MobileNumber, Money
from hallservice.papers.text import one_line, paragraphs
from hallservice.refusals import FieldFault, FormRefused
from hallservice.typed import day_in, plain

F = TypeVar("F")
_DOCUMENT = re.compile(r"[A-Za-z0-9()（）\-]{1,18}", re.ASCII)
_VALUE_FORMS = {"resident_id_card": IdNumber, "unified_social_credit_code": CreditCode}


def read(kind: type[F], given: Mapping[str, Sequence[str]]) -> F:
    """A form's dataclass from what the browser sent: texts take the first value, tuples all of them."""
    values: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]  # callers pass dataclasses of forms
        said = given.get(one.name, ())
        if one.type in ("str", str):
            values[one.name] = said[0] if said else ""
        else:
            values[one.name] = tuple(said)
    return kind(**values)


@dataclass
class Check:
    """The faults found so far."""

    faults: list[FieldFault] = field(default_factory=list)

    def fault(self, name: str, code: str, said: str) -> None:
        self.faults.append(FieldFault(name, code, said))

    def done(self) -> None:
        """FormRefused with all of them."""
        if self.faults:
            raise FormRefused(self.faults)

    def text(
        self, name: str, given: str, label: str, longest: int, *, required: bool = True, lines: bool = False
    ) -> str:
        """Trimmed text that can be printed, on one line unless `lines`; the word null is no text."""
        said = given.strip().replace("\r\n", "\n")
        if not said and required:
            self.fault(name, "required", f"请填写{label}")
        elif len(said) > longest:
            self.fault(name, "too_long", f"{label}不能超过{longest}个字，现在有{len(said)}个字")
        elif said == "null" or _unprintable(said, lines):
            self.fault(name, "bad_text", f"{label}含有不能使用的字符，请重新输入")
        return said

    def choice(self, name: str, given: str, label: str, codes: str) -> str:
        """One name of a code list."""
        if given not in code_list(codes).names:
            self.fault(name, "required" if not given else "bad_choice", f"请选择{label}")
        return given

    def mobile(self, name: str, given: str, label: str = "手机号码") -> str:
        said = plain(given)
        if not said:
            self.fault(name, "required", f"请填写{label}")
        elif _refused(MobileNumber, said):
            self.fault(name, "bad_form", f"{label}应为 11 位数字，以 13 至 19 开头")
        return said

    def document(self, name: str, kind: str, given: str, label: str = "证件号码") -> str:
        """An ID number or credit code with its check character; other documents by their form alone."""
        said = plain(given).upper()
        if not said:
            self.fault(name, "required", f"请填写{label}")
        elif (form := _VALUE_FORMS.get(kind)) is not None:
            if why := _refused(form, said):
                self.fault(name, why, _document_words(label, kind, why))
        elif not _DOCUMENT.fullmatch(said):
            self.fault(name, "bad_form", f"{label}只能有字母、数字和短横，最多 18 位")
        return said

    def day(self, name: str, given: str, label: str, *, required: bool = True) -> date | None:
        """2026-03-02, and what people type for it: 20260302, 2026/3/2, 2026年3月2日."""
        said = plain(given)
        if not said and not required:
            return None
        found = day_in(said)
        if found is None:
            self.fault(name, "bad_form" if said else "required", f"{label}应为日期，例如 2026-03-02")
        return found

    def whole(self, name: str, given: str, label: str, least: int, most: int) -> int:
        """A whole number within bounds; `least` where there is a fault."""
        said = plain(given)
        if not re.fullmatch("[0-9]{1,9}", said, re.ASCII) or not least <= int(said) <= most:
            self.fault(name, "out_of_range" if said else "required", f"{label}应为 {least} 至 {most} 的整数")
            return least
        return int(said)

    def money(self, name: str, given: str, label: str, *, required: bool = True) -> Money:
        said = plain(given)
        if not said and not required:
            return Money("0")
        try:
            return Money(said)
        except ValueRefused:
            self.fault(name, "bad_form", f"{label}应为金额（元），最多两位小数，例如 12.50")
            return Money("0")

    def amount(self, name: str, given: str, label: str) -> Decimal:
        """A positive quantity with at most three decimals; 1 where there is a fault."""
        said = plain(given)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", said, re.ASCII) or not Decimal(said):
            self.fault(name, "bad_form", f"{label}应为大于零的数，最多三位小数")
            return Decimal(1)
        return Decimal(said)


def _unprintable(text: str, lines: bool) -> bool:
    """Whether it could not stand on paper: control and direction characters, piles of combining marks."""
    try:
        (paragraphs if lines else one_line)(text)
    except ValueRefused:
        return True
    return False


def _refused(form: type[str], said: str) -> str | None:
    try:
        form(said)
    except ValueRefused as fault:
        return fault.code
    return None


def _document_words(label: str, kind: str, why: str) -> str:
    if kind == "unified_social_credit_code":
        return (
            f"{label}应为 18 位统一社会信用代码，请核对（校验位不符）"
            if why == "check_digit"
            else (f"{label}应为 18 位统一社会信用代码")
        )
    words = {
        "check_digit": f"{label}的校验位不符，请核对是否录错",
        "no_such_day": f"{label}中的出生日期不存在，请核对",
    }
    return words.get(why, f"{label}应为 18 位居民身份证号码")
