"""What the hall turns away, in words a clerk can act on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of a form: its name, a code for programs and tests, and what to do in Chinese."""

    field: str
    code: str
    said: str


class HallRefused(Exception):
    """An act that cannot be done: `code` for programs, `said` in Chinese for people."""

    def __init__(self, code: str, said: str, where: str = "", faults: Sequence[FieldFault] = ()) -> None:
        super().__init__(f"{code}: {said} ({where})" if where else f"{code}: {said}")
        self.code, self.said, self.where, self.faults = code, said, where, tuple(faults)


class FormRefused(HallRefused):
    """Fields of a form that are wrong; nothing was done, and what was typed is shown again."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__("form", "请改正表单中的错误", "", faults)
