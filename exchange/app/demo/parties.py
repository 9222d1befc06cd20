"""Registering the parties: what is new is added, what moved is changed, the rest is left alone."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from exchange.adapterfolder import Adapter
from exchange.app.demo.database import FrontBase
from exchange.app.demo.layout import READER, Layout, Partner, Shared, ensure_secrets
from exchange.errors import TryLater
from exchange.parties import Party, load_certificate, read_registry
from exchange.registry import PartyFacts, add_certificate, add_party, change_party
from exchange.routing import HOUSE
from exchange.seals.keys import key_id
from exchange.store.work import Store, Work

KEY_SECONDS = 60.0  # what a partner is given to make its key pair
INBOX = "/inbox"  # where the counter takes what the hub sends it


def secrets_of(layout: Layout, members: Sequence[Partner], database: FrontBase) -> dict[str, Shared]:
    """What each partner shares with the hub, by party; made at the first run."""
    partners = [member for member in members if member.adapter != HOUSE]
    new = {one.party: secrets.token_urlsafe(24) for one in partners}
    bases = {one.party: database.password for one in partners if "database" in one.needs}
    keys = {one.party: secrets.token_hex(16) for one in partners if "cipher" in one.needs}
    path = layout.settings.state / "keys" / "secrets.toml"
    known = ensure_secrets(path, {"secrets": {**new, **bases}, "ciphers": keys})
    return {
        one.party: Shared(
            known["secrets"][one.party] or "-",
            known["ciphers"].get(one.party, ""),
            database.url if "database" in one.needs else "",
        )
        for one in partners
    }


def wait_for_certificates(layout: Layout, members: Sequence[Partner], tend: Callable[[], object]) -> None:
    """Returns when every partner has made its key pair; TryLater names those that have not."""
    deadline = time.monotonic() + KEY_SECONDS
    while lacking := [one.name for one in members if not layout.certificate(one.name).exists()]:
        if time.monotonic() > deadline:
            raise TryLater("no_certificate", f"no certificate was made by {', '.join(lacking)}")
        tend()
        time.sleep(0.05)


def register(
    store: Store, layout: Layout, members: Sequence[Partner], adapters: Mapping[str, Adapter],
    database: FrontBase,
) -> int:  # fmt: skip
    """All parties in one commit; how many acts it took (none when everything is as before)."""

    def act(work: Work) -> int:
        names, keys = read_registry(work.connection)
        holders = {key: held.party.name for key, held in keys.items()}
        done = 0
        for member in (one for one in members if one.adapter != READER):
            facts = facts_of(member, layout, database)
            pem = layout.certificate(member.name).read_text("ascii")
            done += _ensure(work, layout.settings.hub, facts, pem, names.get(facts.name), holders, adapters)
        return done

    return store.write(act)


def _ensure(
    work: Work, hub: str, facts: PartyFacts, pem: str, known: Party | None, holders: Mapping[str, str],
    adapters: Mapping[str, Adapter],
) -> int:  # fmt: skip
    """Add, change or leave one party; the number of acts."""
    if known is None:
        add_party(work, hub, facts, pem, adapters)
        return 1
    acts = 0
    if not _same(facts, known):
        change_party(work, hub, facts, adapters)
        acts += 1
    if holders.get(key_id(load_certificate(pem))) != facts.name:
        add_certificate(work, hub, facts.name, pem)
        acts += 1
    return acts


def _same(facts: PartyFacts, known: Party) -> bool:
    mine = (facts.adapter, facts.org, facts.address, dict(facts.account), facts.takes)
    return mine == (known.adapter, known.org, known.address, known.account, known.takes)


def facts_of(member: Partner, layout: Layout, database: FrontBase) -> PartyFacts:
    """What is registered of one partner."""
    address, account = layout.url(member.name), dict(member.account)
    if member.adapter == HOUSE:
        return PartyFacts(member.party, HOUSE, member.org, address + INBOX, {}, takes=member.takes)
    if "database" in member.needs:
        address = database.address
    if "drop_folder" in member.needs:
        account["drop_folder"] = str(layout.drop(member.name))
    return PartyFacts(member.party, member.adapter, member.org, address, account)
