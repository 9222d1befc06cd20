"""Codes of new items by the national rule (GB/T 39554.1): basic code of 12 characters for the directory,
implementation code of 31 for who carries it out at which level.

Main items added here are numbered L01, L02 … LZZ within their type and department, so that none is ever one
the province adds; sub-items 001 to 999. A number that was used once is not given again.
"""

from collections.abc import Callable

from sqlalchemy import Connection, select

from canonical.codes import code_list
from canonical.itemcodes import BasicCode, ImplementationCode
from hallservice.items.tables import hall_item
from hallservice.items.wording import DIRECTORY, SERIALS
from hallservice.refusals import HallRefused

PROVINCE = "44"  # Guangdong, GB/T 2260
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Numbering = Callable[[int], str]


class Numbers:
    """Free numbers of the directory, for one publication: what was used is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._used = connection, dict[str, set[str]]()

    def basic_code(self, kind: str, department: str, above: str = "") -> BasicCode:
        """The next free code of a main item, or with `above` of a sub-item of it; HallRefused no_number."""
        if above:
            front = BasicCode(above)[:9]
            return self._next(front, 999, lambda n: f"{front}{n:03}")
        front = f"{PROVINCE}{code_list('item_type').code(kind)}{department}L"
        return self._next(front, SERIALS, lambda n: f"{front}{_DIGITS[n // 36]}{_DIGITS[n % 36]}000")

    def _next(self, front: str, most: int, of: Numbering) -> BasicCode:
        used = self._used.get(front) or self._used.setdefault(front, self._known(front))
        for number in range(1, most + 1):
            if of(number) not in used:
                used.add(of(number))
                return BasicCode(of(number))
        raise HallRefused("no_number", "该类型、部门下的编码已用完，请联系系统管理员")

    def _known(self, front: str) -> set[str]:
        ours = hall_item.c.code.startswith(front, autoescape=True)
        ask = select(hall_item.c.code).where(hall_item.c.list == DIRECTORY, ours)
        return set(self._connection.execute(ask).scalars())


def implementation_code(uscc: str, level: str, basic: str) -> ImplementationCode:
    """Credit code of the body, level (A.2), basic code."""
    return ImplementationCode(f"{uscc}{code_list('service_level').code(level)}{basic}")
