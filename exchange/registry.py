"""Who may take part: parties and certificates are added, changed and removed by acts in the ledger."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.x509 import Certificate
from sqlalchemy import insert, select, update

from canonical.errors import ValueRefused
from canonical.messages import PAYLOADS, PROCESS_OBJECTS
from canonical.values import CreditCode
from exchange.acts import record_value
from exchange.adapterfolder import Adapter
from exchange.errors import Conflict, HubError, Refused
from exchange.parties import load_certificate
from exchange.routing import HOUSE
from exchange.seals.keys import check_validity, key_id
from exchange.staff import HALL
from exchange.store.tables import party, party_certificate
from exchange.store.work import Work
from ledger.log import Entry

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
ADDRESS = re.compile(
    r"https?://[^\s/?#]+[^\s#]*|amqp:|sqlite:////[^\s?#]+"
    r"|postgresql(\+psycopg)?://([\w.-]+@)?[\w.-]+(:[0-9]{1,5})?/[\w.-]+"
)
EVERY_CASE = "*"
"""In `takes`: also messages of cases that another party opened."""
HOUSE_SENDS = (
    *PROCESS_OBJECTS,
    "case.attached.v1",
    "case.evaluated.v1",
    "catalogue.reported.v1",
    "certificate.searched.v1",
    "certificate.schema_requested.v1",
    "certificate.file_requested.v1",
    "certificate.change_requested.v1",
    "parcel.requested.v1",
    "verification.requested.v1",
    "complaint.registered.v1",
    "complaint.resolved.v1",
    "performance.reported.v1",
    "fee.requested.v1",
    "fee.confirmed.v1",
    "certificate.requested.v1",
    "sms.requested.v1",
)
"""What a house party may send unless it is said otherwise."""


@dataclass(frozen=True)
class PartyFacts:
    """What is registered of a party besides its certificates; `account` is how the hub names itself there."""

    name: str
    adapter: str = HOUSE
    org: str | None = None
    address: str | None = None
    account: Mapping[str, str] = field(default_factory=dict)
    sends: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def add_party(work: Work, hub: str, facts: PartyFacts, pem: str, adapters: Mapping[str, Adapter]) -> Entry:
    """Register a party with its first certificate; Conflict when the name or the certificate is taken."""
    check_facts(facts, hub, adapters)
    row = _row(facts)
    existing = _stored(work, facts.name)
    if existing is not None and existing["active"]:
        raise Conflict("conflict", "a party of this name is registered", facts.name)
    if existing is None:
        work.connection.execute(insert(party), row)
    else:
        _write(work, row)
    kid = _keep_certificate(work, facts.name, pem)
    return _act(work, hub, "party.added", row | {"certificate": pem}, kid)


def change_party(work: Work, hub: str, facts: PartyFacts, adapters: Mapping[str, Adapter]) -> Entry:
    """Replace what is registered of a party; its certificates stay."""
    check_facts(facts, hub, adapters)
    expect_party(work, facts.name)
    row = _row(facts)
    _write(work, row)
    return _act(work, hub, "party.changed", row, None)


def remove_party(work: Work, hub: str, name: str) -> Entry:
    """The party is heard and served no more; its name and certificates stay on record."""
    row = expect_party(work, name) | {"active": False}
    _write(work, row)
    of_party = party_certificate.c.party == name
    work.connection.execute(update(party_certificate).where(of_party).values(active=False))
    return _act(work, hub, "party.removed", row, None)


def add_certificate(work: Work, hub: str, name: str, pem: str) -> Entry:
    """A further certificate, valid beside the others."""
    expect_party(work, name)
    kid = _keep_certificate(work, name, pem)
    return _act(work, hub, "party.certificate_added", {"name": name, "key_id": kid, "pem": pem}, kid)


def retire_certificate(work: Work, hub: str, name: str, kid: str) -> Entry:
    """A certificate that is no longer believed; Refused for the last one, which only removal ends."""
    expect_party(work, name)
    mine = (party_certificate.c.party == name) & party_certificate.c.active
    active = list(work.connection.execute(select(party_certificate.c.key_id).where(mine)).scalars())
    if kid not in active:
        raise Refused("unknown_certificate", f"{name} has no active certificate of this key id", kid)
    if len(active) == 1:
        raise Refused(
            "last_certificate", f"it is the only certificate of {name}; add the next one first", kid
        )
    work.connection.execute(
        update(party_certificate).where(party_certificate.c.key_id == kid).values(active=False)
    )
    return _act(work, hub, "party.certificate_retired", {"name": name, "key_id": kid}, kid)


def expect_party(work: Work, name: str) -> dict[str, Any]:
    """The row of an active party; Refused unknown_party."""
    row = _stored(work, name)
    if row is None or not row["active"]:
        raise Refused("unknown_party", "no party of this name is registered", name)
    return row


def facts_of(row: Mapping[str, Any]) -> PartyFacts:
    """The facts as a stored row has them."""
    sends, takes = tuple(row["sends"]), tuple(row["takes"])
    return PartyFacts(
        row["name"], row["adapter"], row["org"], row["address"], dict(row["account"]), sends, takes
    )


def check_facts(facts: PartyFacts, hub: str, adapters: Mapping[str, Adapter]) -> None:
    """Refused bad_value, unknown_adapter or unknown_type, naming the part."""
    if not NAME.fullmatch(facts.name) or facts.name in {hub, "hub", HALL}:
        raise Refused("bad_value", "2 to 40 of a-z 0-9 . _ -, first a letter or digit, none of ours", "name")
    if facts.address is not None and not ADDRESS.fullmatch(facts.address):
        raise Refused(
            "bad_value",
            "must be an http or https address, amqp: for the party's own queue, or a database"
            " (postgresql://user@host:port/name without a password, sqlite:////path)",
            "address",
        )
    _check_adapter(facts, adapters)
    _check_org(facts.org)
    _check_types(facts)


def _check_adapter(facts: PartyFacts, adapters: Mapping[str, Adapter]) -> None:
    if facts.adapter == HOUSE:
        return
    if facts.adapter not in adapters:
        raise Refused("unknown_adapter", f"there is {', '.join(sorted({HOUSE, *adapters}))}", facts.adapter)
    if missing := sorted(set(adapters[facts.adapter].required_parameters) - facts.account.keys()):
        raise Refused("missing_field", f"its account needs {', '.join(missing)}", "account")


def _check_org(org: str | None) -> None:
    try:
        if org is not None:
            CreditCode(org)
    except ValueRefused as refusal:
        raise Refused("bad_value", str(refusal), "org") from refusal


def _check_types(facts: PartyFacts) -> None:
    if facts.adapter != HOUSE and (facts.sends or facts.takes):
        raise Refused("bad_value", "what this party sends and takes is said by its adapter", facts.adapter)
    for name, given, known in (
        ("sends", facts.sends, PAYLOADS.keys()),
        ("takes", facts.takes, {EVERY_CASE, *PAYLOADS}),
    ):
        if unknown := sorted(set(given) - known):
            raise Refused("unknown_type", f"no message is called {', '.join(unknown)}", name)


def _row(facts: PartyFacts) -> dict[str, Any]:
    sends = facts.sends or (HOUSE_SENDS if facts.adapter == HOUSE else ())
    lists = {"sends": list(dict.fromkeys(sends)), "takes": list(dict.fromkeys(facts.takes))}
    return {**asdict(facts), "account": dict(facts.account), **lists, "active": True}


def _stored(work: Work, name: str) -> dict[str, Any] | None:
    row = work.connection.execute(select(party).where(party.c.name == name)).mappings().first()
    return dict(row) if row else None


def _write(work: Work, row: Mapping[str, Any]) -> None:
    work.connection.execute(update(party).where(party.c.name == row["name"]).values(dict(row)))


def _keep_certificate(work: Work, name: str, pem: str) -> str:
    """Its key id; a certificate belongs to one active party, a retired one may come back to its own."""
    certificate = checked_certificate(pem, work.now)
    kid = key_id(certificate)
    holder = work.connection.execute(_HOLDER.where(party_certificate.c.key_id == kid)).first()
    if holder is not None and holder.active:
        raise Conflict("conflict", f"this certificate is registered to {holder.party}", kid)
    row = {"key_id": kid, "party": name, "pem": pem, "active": True}
    if holder is None:
        work.connection.execute(insert(party_certificate), row)
    else:
        known = party_certificate.c.key_id == kid
        work.connection.execute(update(party_certificate).where(known).values(row))
    return kid


_HOLDER = select(party_certificate.c.party, party_certificate.c.active)


def checked_certificate(pem: str, now: float) -> Certificate:
    """The certificate; Refused certificate_invalid when unreadable, too weak or not valid now."""
    try:
        certificate = load_certificate(pem)
        check_validity(certificate, datetime.fromtimestamp(now, UTC))
    except HubError as fault:
        raise Refused("certificate_invalid", fault.detail, "certificate") from fault
    return certificate


def _act(work: Work, hub: str, kind: str, value: Mapping[str, Any], kid: str | None) -> Entry:
    name = str(value["name"])
    note = {"party": name}
    return record_value(work, hub, kind, f"party-{name}", "registry", dict(value), kid=kid, note=note)
