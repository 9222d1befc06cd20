"""The archive package by its contract, examined as the archives would: unzip, hash, xmlsec1."""

import hashlib
import io
import json
import secrets
import subprocess
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from exchange import archiving, faces
from exchange.consuming import PartnerQueue
from exchange.seals import jws
from exchange.transports.queues import Delivery
from tests.exchange.core.rig import NAME, PLAIN_ITEM, Core, Story, case_number

WEEK = 7 * 24 * 3600


@pytest.fixture
def delivered(core: Core) -> tuple[Core, Story]:
    """A case told to its end, one refused message on the way."""
    core.clock.now = time.time()
    core.party("archive", adapter="archives", address="http://127.0.0.1:1", account={"account": "tongban"})
    story = Story(case_number(1), PLAIN_ITEM)
    said = [
        ("case.applied.v1", story.applied()),
        ("case.accepted.v1", story.accepted()),
        *(("case.step.v1", story.step(n)) for n in (1, 2, 3)),
        ("case.concluded.v1", story.concluded("concluded")),
    ]
    for type_, payload in said:
        core.ok("hall", type_, payload)
    assert core.send("hall", "case.step.v1", story.step(1, "return")).status == "refused"
    core.ok("hall", "case.delivered.v1", story.delivered())
    return core, story


def offered(core: Core) -> dict[str, Any]:
    (row,) = core.outbox("party = 'archive'")
    assert row["type"] == "archive.submitted.v1"
    payload: dict[str, Any] = json.loads(row["payload"])
    return payload


def fetched(core: Core, offer: dict[str, Any]) -> bytes | None:
    with core.hub.store.read() as connection:
        return archiving.fetch(connection, offer["url"].rpartition("/")[2], core.clock.now)


def test_the_offer_names_size_and_digest_of_what_can_be_fetched(delivered: tuple[Core, Story]) -> None:
    core, story = delivered
    offer = offered(core)
    body = fetched(core, offer)
    assert body is not None
    assert (offer["size"], offer["digest"]) == (len(body), hashlib.sha256(body).hexdigest())
    day = datetime.fromtimestamp(core.clock.now, UTC)
    assert offer["case_no"] == story.no
    assert offer["request_id"].startswith(f"{story.no}@{day.year}")
    assert len(offer["request_id"]) == len(story.no) + 1 + 14
    assert offer["url"].startswith(core.settings.public_url)


def test_the_zip_lists_exactly_its_files_with_sizes_and_digests(delivered: tuple[Core, Story]) -> None:
    core, story = delivered
    with zipfile.ZipFile(io.BytesIO(fetched(core, offered(core)) or b"")) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    listing = etree.fromstring(files.pop(f"{story.no}/package.xml"))
    assert listing.tag == "Package"
    told = {one.get("name"): (int(one.get("size")), one.get("sha256")) for one in listing.findall("File")}
    found = {
        name.removeprefix(f"{story.no}/"): (len(body), hashlib.sha256(body).hexdigest())
        for name, body in files.items()
    }
    assert told == found
    kinds = [etree.fromstring(body).findtext("{*}type") for _, body in sorted(files.items())]
    assert kinds == [
        "case.applied.v1",
        "case.accepted.v1",
        "case.step.v1",
        "case.step.v1",
        "case.step.v1",
        "case.concluded.v1",
        "case.delivered.v1",
    ]
    assert NAME.encode() in files[sorted(files)[0]], "the application with its applicant"


def test_the_listing_is_sealed_by_the_hubs_rsa_certificate(
    delivered: tuple[Core, Story], tmp_path: Path
) -> None:
    core, story = delivered
    with zipfile.ZipFile(io.BytesIO(fetched(core, offered(core)) or b"")) as archive:
        listing = archive.read(f"{story.no}/package.xml")
    good, bad = tmp_path / "package.xml", tmp_path / "bad.xml"
    good.write_bytes(listing)
    bad.write_bytes(listing.replace(b'size="', b'size="1', 1))

    def verify(path: Path) -> int:
        command = [
            "xmlsec1",
            "--verify",
            "--enabled-key-data",
            "x509",
            "--pubkey-cert-pem",
            str(core.settings.rsa_certificate),
            "--id-attr:Id",
            "Package",
            str(path),
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert verify(good) == 0
    assert verify(bad) != 0


def test_the_address_runs_out(delivered: tuple[Core, Story]) -> None:
    core, _ = delivered
    offer = offered(core)
    core.clock.on(WEEK - 1)
    assert fetched(core, offer) is not None
    core.clock.on(1)
    assert fetched(core, offer) is None
    with core.hub.store.read() as connection:
        assert archiving.fetch(connection, "no-such-token", core.clock.now) is None


def test_the_address_cannot_be_guessed(delivered: tuple[Core, Story]) -> None:
    core, story = delivered
    token = offered(core)["url"].rpartition("/")[2]
    assert len(token) >= 40
    assert story.no not in token


def test_a_delivery_told_twice_offers_one_package(delivered: tuple[Core, Story]) -> None:
    core, story = delivered
    core.ok("hall", "case.delivered.v1", story.delivered())
    assert len(core.outbox("party = 'archive'")) == 1
    assert core.value("SELECT count(*) FROM package") == 1


@pytest.mark.parametrize(("code", "state"), [("200", "archived"), ("422", "delivered")])
def test_the_result_by_queue_ends_the_case(delivered: tuple[Core, Story], code: str, state: str) -> None:
    core, story = delivered
    failed = [] if code == "200" else [{"item": "2-2-1", "msg": "digest"}]
    number = {"archiveNo": "J441400-2026-D30-0017"} if code == "200" else {}
    body = json.dumps(
        {
            "reqid": offered(core)["request_id"],
            "unitcode": "J441400",
            "fileno": story.no,
            "retcode": code,
            "retdesc": "x",
            **number,
            "detectionResult": {"authenticity": [], "integrity": failed, "usability": [], "security": []},
        }
    ).encode()
    seal = jws.sign_amqp(
        body,
        core.keys["archive"],
        exchange="gov.archive",
        routing_key="result.J441400",
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )
    adapter = core.hub.adapters["archives"]
    queue = PartnerQueue(core.hub, None, faces.Door(adapter, adapter.heard("result")))  # type: ignore[arg-type] # nothing is published
    queue(
        Delivery(
            "gov.archive",
            "result.J441400",
            body,
            "0198f0c2-1a2b",
            story.no,
            "application/json",
            None,
            {jws.HEADER_NAME: seal},
        )
    )
    assert core.state(story.no) == state
    core.verified()
