"""What may be used once: a gateway's ticket, a provider's message; remembered as long as it would be good."""

from sqlalchemy import delete, insert, select

from exchange.store.work import Work
from hallservice.people import tables as t
from hallservice.people.sessions import digest


def first(work: Work, provider: str, name: str, expires: float) -> bool:
    """Whether the ticket or message of that name comes for the first time."""
    used = digest(f"{provider}:{name}")
    work.connection.execute(delete(t.ticket).where(t.ticket.c.expires < work.now))
    if work.connection.execute(select(t.ticket.c.digest).where(t.ticket.c.digest == used)).first():
        return False
    work.connection.execute(insert(t.ticket), {"digest": used, "expires": expires})
    return True
