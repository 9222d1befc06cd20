"""The signed-in person as every service of the hall sees one: who, where, and what may be done there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from exchange.staff import Staff
from hallservice.refusals import HallRefused

NOTHING: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Clerk:
    """`path` is that of the own organisation (`/4414/441403/0123/`); `scopes` names for each function held
    the paths under which it is held."""

    user: str  # UUIDv7 of the account
    staff_no: str
    name: str
    org: str  # own code of the organisation
    path: str
    region: str  # 12 digits
    org_name: str = ""
    unit: str = ""  # code of the body the organisation is a section of, or itself
    posts: tuple[str, ...] = ()  # codes
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NOTHING)
    window: str | None = None

    def may(self, function: str, path: str | None = None) -> bool:
        """Whether the function is held, at all or for the organisation at `path`."""
        held = self.scopes.get(function, ())
        return bool(held) if path is None else path.startswith(held)

    def expect(self, function: str, path: str | None = None) -> None:
        """HallRefused not_allowed."""
        if not self.may(function, path):
            raise HallRefused("not_allowed", "您没有此项权限", function)

    @property
    def staff(self) -> Staff:
        """As the ledger and the exchange name this person."""
        return Staff(self.staff_no, self.name, self.org, self.window)
