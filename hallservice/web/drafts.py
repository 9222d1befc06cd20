"""What was typed when the session had ended: kept sealed for the same account, shown again after sign-in."""

import json

from sqlalchemy import delete, insert, select

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.web.forms import Form
from hallservice.web.guard import Vault, new_token, pack, well_formed
from hallservice.web.tables import hall_draft

KEPT = 12 * 3600.0  # seconds
MOST = 20  # drafts of one account
LARGEST = 128 * 1024  # bytes of one draft
HIDDEN = ("csrf", "act", "owner", "from", "draft")  # the form's own


def owner_of(vault: Vault, user: str) -> str:
    """Names an account in a form without saying which it is."""
    return vault.mark("owner", user)


def claim(vault: Vault, user: str) -> str:
    """The same as a hidden field, which only we can have made."""
    owner = owner_of(vault, user)
    return f"{owner}.{vault.mark('claim', owner)}"


def claimed(vault: Vault, claim_: str) -> str | None:
    """The owner a form names, None when it is not ours."""
    owner, _, mark = claim_.partition(".")
    return owner if vault.marked("claim", owner, mark) else None


def typed_by_hand(name: str) -> bool:
    """Whether a field is to be shown again: neither the frame's own nor a password."""
    return name not in HIDDEN and "password" not in name


def keep(hall: Hall, vault: Vault, owner: str, form: Form) -> str | None:
    """The draft's id; None when it is larger than a form has any reason to be. Files are not kept."""
    typed = {name: values for name, values in form.items() if typed_by_hand(name)}
    packed = pack(typed)
    if len(packed) > LARGEST:
        return None
    draft = new_token()
    sealed = vault.seal(packed, f"draft {draft} {owner}")
    hall.write(lambda work: _store(work, owner, draft, sealed))
    return draft


def _store(work: Work, owner: str, draft: str, sealed: bytes) -> None:
    table = hall_draft
    newest = select(table.c.id).where(table.c.owner == owner).order_by(table.c.at.desc())
    kept = list(work.connection.scalars(newest.limit(MOST - 1)))
    old = (table.c.owner == owner) & table.c.id.not_in(kept)
    work.connection.execute(delete(table).where(old | (table.c.at < work.now - KEPT)))
    row = {"id": draft, "owner": owner, "at": work.now, "typed": sealed}
    work.connection.execute(insert(table).values(row))


def find(hall: Hall, vault: Vault, owner: str, draft: str) -> Form | None:
    """What this account typed; None when it expired or another account typed it."""
    if not well_formed(draft):
        return None
    table = hall_draft
    asked = select(table.c.typed).where(table.c.id == draft, table.c.owner == owner)
    asked = asked.where(table.c.at > hall.hub.store.clock() - KEPT)
    sealed = hall.read(lambda connection: connection.scalar(asked))
    opened = vault.open(sealed, f"draft {draft} {owner}") if sealed else None
    return Form(json.loads(opened)) if opened else None


def drop(work: Work, owner: str, draft: str) -> None:
    """It was submitted."""
    work.connection.execute(delete(hall_draft).where(hall_draft.c.id == draft, hall_draft.c.owner == owner))
