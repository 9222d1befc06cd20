"""Who stands behind an act that is made in the hub's own hall."""

from dataclasses import dataclass

HALL = "hall.embedded"  # the embedded hall as a party of the exchange; nobody else is registered by that name


@dataclass(frozen=True, slots=True)
class Staff:
    """A signed-in member of staff; `org` is the hall's own code, `window` the one bound to the session."""

    staff_no: str
    name: str
    org: str
    window: str | None = None
    party: str = HALL
