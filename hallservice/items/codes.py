"""Codes of new items by the national rule (GB/T 39554.1): basic code of 12 characters for the directory,
implementation code of 31 for who carries it out at which level.

Main items added here are numbered L01, L02 … LZZ within their type and department, so that none is ever one
the province adds; sub-items 001 to 999. A number that was used once is not given again.
"""

from collections.abc import Callable

from sqlalchemy import Connection, func, select

from canonical.codes import code_list
from canonical.itemcodes import BasicCode, ImplementationCode
from exchange.store.tables import item
from hallservice.items.tables import hall_item
from hallservice.items.wording import DIRECTORY, SERIALS
from hallservice.refusals import HallRefused

PROVINCE = "44"  # Guangdong, GB/T 2260
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Numbering = Callable[[int], str]


def basic_code(connection: Connection, kind: str, department: str, above: str = "") -> BasicCode:
    """The next free code of a main item, or with `above` of a sub-item of it."""
    if above:
        front = BasicCode(above)[:9]
        return _next(connection, front, 999, lambda n: f"{front}{n:03}")
    front = f"{PROVINCE}{code_list('item_type').code(kind)}{department}L"
    return _next(connection, front, SERIALS, lambda n: f"{front}{_DIGITS[n // 36]}{_DIGITS[n % 36]}000")


def _next(connection: Connection, front: str, most: int, of: Numbering) -> BasicCode:
    used = _used(connection, front)
    for number in range(1, most + 1):
        if of(number) not in used:
            return BasicCode(of(number))
    raise HallRefused("no_number", "该类型、部门下的编码已用完，请联系系统管理员")


def _used(connection: Connection, front: str) -> set[str]:
    """Those of our directory, and those the province's items are of."""
    own = select(hall_item.c.code).where(
        hall_item.c.list == DIRECTORY, hall_item.c.code.startswith(front, autoescape=True)
    )
    theirs = select(func.substr(item.c.code, 20, 12)).where(func.substr(item.c.code, 20, len(front)) == front)
    return {*connection.execute(own).scalars(), *connection.execute(theirs).scalars()}


def implementation_code(uscc: str, level: str, basic: str) -> ImplementationCode:
    """Credit code of the body, level (A.2), basic code."""
    return ImplementationCode(f"{uscc}{code_list('service_level').code(level)}{basic}")
