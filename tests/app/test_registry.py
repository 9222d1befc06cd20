"""Registering parties as a library: what is refused, and that every act can be verified."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.resources import files
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import select

from exchange import registry
from exchange.adapterfolder import load_adapter
from exchange.app import opening
from exchange.app.settings import Settings
from exchange.errors import Conflict, Refused
from exchange.ledgervalues import value_of
from exchange.parties import Parties
from exchange.registry import PartyFacts, add_party
from exchange.seals.keys import key_id
from exchange.store.engine import reading
from exchange.store.tables import party
from exchange.store.work import Store, Work
from ledger import tables
from ledger.leaf import parse
from ledger.verify import verify_store

Act = Callable[[Work], Any]
FACTS = PartyFacts("bureau-a", address="http://127.0.0.1:9/inbox", takes=("case.accepted.v1",))
PROCESS = [
    "case.applied.v1", "case.pre_reviewed.v1", "case.accepted.v1", "case.step.v1", "case.concluded.v1",
    "case.special_started.v1", "case.special_finished.v1", "case.supplement_noticed.v1",
    "case.supplemented.v1", "case.delivered.v1",
]  # fmt: skip


@pytest.fixture
def store(settings: Settings) -> Store:
    return opening.open_store(settings)


def kinds(store: Store) -> list[str]:
    with store.read() as connection:
        leaves = connection.execute(select(tables.entry.c.leaf).order_by(tables.entry.c.seq)).scalars()
        return [parse(leaf)["kind"] for leaf in leaves]


def test_a_life_of_a_party(store: Store, party_keys: Any) -> None:
    first, second = party_keys.ec(), party_keys.rsa()
    ids = [key_id(key.certificate) for key in (first, second)]
    pems = [party_keys.pem(key) for key in (first, second)]
    parties = Parties(lambda: reading(store.engine), clock=itertools.count(0, 5).__next__)
    acts: list[tuple[Act, set[str]]] = [
        (lambda work: add_party(work, "hub", FACTS, pems[0], {}), {ids[0]}),
        (lambda work: registry.add_certificate(work, "hub", "bureau-a", pems[1]), set(ids)),
        (lambda work: registry.retire_certificate(work, "hub", "bureau-a", ids[0]), {ids[1]}),
        (lambda work: registry.change_party(work, "hub", replace(FACTS, address=None), {}), {ids[1]}),
        (lambda work: registry.remove_party(work, "hub", "bureau-a"), set()),
        (lambda work: add_party(work, "hub", FACTS, pems[0], {}), {ids[0]}),
    ]
    for act, believed in acts:
        store.write(act)
        assert {kid for kid in ids if parties.holding(kid)} == believed
    assert kinds(store) == [
        "party.added", "party.certificate_added", "party.certificate_retired", "party.changed",
        "party.removed", "party.added",
    ]  # fmt: skip
    with store.read() as connection:
        report = verify_store(connection, store.log.signer.vkey, value_of(connection))
    assert (report.entries, report.findings) == (6, ())


def test_what_a_house_party_may_send(store: Store, party_keys: Any) -> None:
    store.write(lambda work: add_party(work, "hub", FACTS, party_keys.pem(party_keys.ec()), {}))
    with store.read() as connection:
        row = connection.execute(select(party)).mappings().one()
    asks = {
        "fee.requested.v1", "fee.confirmed.v1", "certificate.requested.v1", "certificate.searched.v1",
        "certificate.schema_requested.v1", "certificate.file_requested.v1", "certificate.change_requested.v1",
        "sms.requested.v1", "parcel.requested.v1", "verification.requested.v1", "catalogue.reported.v1",
        "performance.reported.v1",
    }  # fmt: skip
    tells = {"case.attached.v1", "case.evaluated.v1", "complaint.registered.v1", "complaint.resolved.v1"}
    assert set(row["sends"]) == {*PROCESS, *asks, *tells}
    assert row["takes"] == ["case.accepted.v1"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "hub"}, "bad_value"),
        ({"name": "hall.embedded"}, "bad_value"),
        ({"name": "x"}, "bad_value"),
        ({"name": "Bureau"}, "bad_value"),
        ({"name": "-a"}, "bad_value"),
        ({"name": "a\nb"}, "bad_value"),
        ({"name": "a" * 41}, "bad_value"),
        ({"adapter": "nobody"}, "unknown_adapter"),
        ({"org": "123"}, "bad_value"),
        ({"address": "ftp://x"}, "bad_value"),
        ({"address": "http://a b"}, "bad_value"),
        ({"sends": ("case.unheard.v1",)}, "unknown_type"),
        ({"takes": ("case.unheard.v1",)}, "unknown_type"),
        ({"address": "amqp:elsewhere"}, "bad_value"),
        ({"address": "postgresql://d:secret@127.0.0.1/front"}, "bad_value"),  # a password is kept elsewhere
        ({"address": "postgresql+psycopg://d@127.0.0.1:5432/front?options=-c"}, "bad_value"),
        ({"address": "sqlite:///relative.db"}, "bad_value"),
        ({"address": "mysql://127.0.0.1/front"}, "bad_value"),
        ({"adapter": "fees"}, "missing_field"),
        ({"adapter": "fees", "account": {"account": "mz"}, "sends": ("case.step.v1",)}, "bad_value"),
    ],
)
def test_wrong_facts_leave_nothing_behind(
    store: Store, party_keys: Any, changes: dict[str, Any], code: str
) -> None:
    pem = party_keys.pem(party_keys.ec())
    with pytest.raises(Refused) as refusal:
        store.write(
            lambda work: add_party(
                work,
                "hub",
                replace(FACTS, **changes),
                pem,
                {"fees": load_adapter(files("adapters") / "fees")},
            )
        )
    assert refusal.value.code == code
    assert kinds(store) == []


def test_certificates_that_are_not_taken(store: Store, party_keys: Any) -> None:
    weak = party_keys.other(rsa.generate_private_key(65537, 1024))  # noqa: S505 - weak on purpose
    curve = party_keys.other(ec.generate_private_key(ec.SECP384R1()))
    over = party_keys.pem(party_keys.ec(days=(-9, -1)))
    early = party_keys.pem(party_keys.ec(days=(1, 9)))
    for pem in (weak, curve, over, early, "", "-----BEGIN CERTIFICATE-----\n", "\udcff"):
        with pytest.raises(Refused) as refusal:
            store.write(partial(add_party, hub="hub", facts=FACTS, pem=pem, adapters={}))
        assert refusal.value.code == "certificate_invalid"


def test_names_and_certificates_are_taken_once(store: Store, party_keys: Any) -> None:
    pem, other = party_keys.pem(party_keys.ec()), party_keys.pem(party_keys.ec())
    store.write(lambda work: add_party(work, "hub", FACTS, pem, {}))
    twin = replace(FACTS, name="bureau-b")
    with pytest.raises(Conflict, match="bureau-a"):
        store.write(lambda work: add_party(work, "hub", twin, pem, {}))
    with pytest.raises(Conflict):
        store.write(lambda work: add_party(work, "hub", FACTS, other, {}))
    assert kinds(store) == ["party.added"]


def test_the_last_certificate_is_not_retired(store: Store, party_keys: Any) -> None:
    key = party_keys.ec()
    store.write(lambda work: add_party(work, "hub", FACTS, party_keys.pem(key), {}))
    for kid, code in ((key_id(key.certificate), "last_certificate"), ("nothing", "unknown_certificate")):
        with pytest.raises(Refused) as refusal:
            store.write(partial(registry.retire_certificate, hub="hub", name="bureau-a", kid=kid))
        assert refusal.value.code == code
    with pytest.raises(Refused, match="unknown_party"):
        store.write(lambda work: registry.remove_party(work, "hub", "nobody"))
