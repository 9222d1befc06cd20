"""Packages on a data carrier by the contract of the archives (section 5), and results from one."""

import base64
import csv
import hashlib
import io
import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from exchange.errors import HubError
from exchange.filing import handover
from exchange.seals import jws
from mocks.partners.archive_handover import read_sheet
from mocks.partners.common.keys import key_id
from tests.exchange.core.rig import Core
from tests.exchange.core.test_archiving import archives, fetched, finished, offers, result

__all__ = ["archives"]  # the fixture

FIRST = "reqid,fileno,unitcode,libcode,title,retention,year,file,size,aipdigest"


def unsealed(token: str, body: bytes, key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """The protected header of a detached ES256 JWS checked by hand (RFC 7515, RFC 7797)."""
    first, second, third = token.strip().split(".")
    assert second == ""
    raw = base64.urlsafe_b64decode(third + "=" * (-len(third) % 4))
    value = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(value, first.encode() + b"." + body, ec.ECDSA(hashes.SHA256()))
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    return header


def dead(core: Core) -> None:
    """The network is down for good."""
    core.hub.store.write(
        lambda work: work.connection.exec_driver_sql(
            "UPDATE outbox SET state = 'dead' WHERE party = 'archive'"
        )
    )


def test_the_folder_is_that_of_the_contract(archives: Core, tmp_path: Path) -> None:
    stories = [finished(archives, 1), finished(archives, 2)]
    dead(archives)
    done = handover.hand_over(archives.hub, tmp_path / "carrier")
    assert re.fullmatch(r"[A-Za-z0-9-]+_20\d{6}_01", done.folder.name)
    packages = {story.no: fetched(archives, offers(archives, story)[0]) or b"" for story in stories}
    sheet = (done.folder / "交接单.csv").read_bytes()
    first, *lines, last = sheet.decode("utf-8").removesuffix("\n").split("\n")
    assert first == FIRST
    assert last == f"#合计,2,{sum(map(len, packages.values()))}"
    for line, values in zip(lines, csv.reader(io.StringIO("\n".join(lines))), strict=True):
        told = dict(zip(FIRST.split(","), values, strict=True))
        body = packages[told["fileno"]]
        assert (done.folder / told["file"]).read_bytes() == body
        assert told["size"] == str(len(body))
        assert told["aipdigest"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert re.fullmatch(rf"{told['fileno']}@\d{{14}}", told["reqid"])
        assert (told["retention"], told["year"]) == ("D30", str(datetime.now(UTC).year))
        assert done.folder.name.startswith(f"{told['unitcode']}_")
        assert re.fullmatch(r'("[^"]*",){6}\d+,"[^"]*",\d+,"[^"]*"', line), "texts quoted, numbers plain"
    names = {path.name for path in done.folder.iterdir()}
    assert names == {"交接单.csv", "交接单.csv.ok", *(f"{number}.zip" for number in packages)}
    key = archives.hub.ec_key.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    seal = (done.folder / "交接单.csv.ok").read_text("ascii")
    header = unsealed(seal, sheet, key)
    assert header["file"] == "交接单.csv"
    assert set(header) == {"alg", "b64", "crit", "kid", "iat", "nonce", "file"}
    with pytest.raises(InvalidSignature):
        unsealed(seal, sheet + b" ", key)
    archives.verified()


@pytest.mark.req("S3-51")
def test_the_archives_take_the_sheet(archives: Core, tmp_path: Path) -> None:
    story = finished(archives)
    done = handover.hand_over(archives.hub, tmp_path)
    certificate = archives.hub.ec_key.certificate
    (line,) = read_sheet(done.folder, {key_id(certificate): certificate})
    assert (line["fileno"], line["reqid"]) == (story.no, offers(archives, story)[0]["request_id"])


def test_what_was_handed_over_is_not_sent_any_more(archives: Core, tmp_path: Path) -> None:
    finished(archives)
    assert len(archives.outbox("party = 'archive' AND state = 'pending'")) == 1
    handover.hand_over(archives.hub, tmp_path)
    (row,) = archives.outbox("party = 'archive'")
    assert (row["state"], row["code"]) == ("sent", "handed_over")
    with pytest.raises(HubError) as refused:
        handover.hand_over(archives.hub, tmp_path)
    assert refused.value.code == "nothing_waits"
    finished(archives, 2)
    assert handover.hand_over(archives.hub, tmp_path).folder.name.endswith("_02")
    said = archives.rows("SELECT body FROM act ORDER BY entry DESC LIMIT 1")[0]["body"]
    assert json.loads(said)["folder"].endswith("_02")
    archives.verified()


def test_only_the_newest_offer_of_a_case_goes(archives: Core, tmp_path: Path) -> None:
    story = finished(archives)
    result(archives, story, "410")
    dead(archives)
    done = handover.hand_over(archives.hub, tmp_path)
    assert done.packages == 1
    sheet = (done.folder / "交接单.csv").read_text("utf-8")
    assert offers(archives, story)[1]["request_id"] in sheet


def carrier(core: Core, folder: Path, lines: list[dict[str, Any]], **over: Any) -> Path:
    """A folder with sealed results."""
    data = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    now = datetime.fromtimestamp(core.clock.now, UTC)
    key = core.keys[over.get("by", "archive")]
    seal = jws.sign_file(
        data, key, file=over.get("file", "result.jsonl"), now=now, nonce=secrets.token_urlsafe(24)
    )
    folder.mkdir(exist_ok=True)
    (folder / "result.jsonl").write_bytes(data + over.get("more", b""))
    (folder / "result.jsonl.ok").write_text(seal + "\n")
    return folder


def verdict(core: Core, story: Any, code: str = "200") -> dict[str, Any]:
    lists: dict[str, list[Any]] = {"authenticity": [], "integrity": [], "usability": [], "security": []}
    number = {"archiveNo": f"J441400-ZWFW·2026-D30-{code}017"} if code == "200" else {}
    offer = offers(core, story)[-1]
    return {
        "reqid": offer["request_id"], "unitcode": offer["fonds"], "fileno": story.no, "retcode": code,
        "retdesc": "x", **number, "detectionResult": lists,
    }  # fmt: skip


def test_results_come_back_on_the_carrier(archives: Core, tmp_path: Path) -> None:
    stories = [finished(archives, 1), finished(archives, 2)]
    handover.hand_over(archives.hub, tmp_path)
    lines = [verdict(archives, stories[0]), verdict(archives, stories[1], "400")]
    folder = carrier(archives, tmp_path / "back", lines)
    assert handover.take_results(archives.hub, folder) == {"ok": 2}
    assert [archives.state(story.no) for story in stories] == ["archived", "delivered"]
    entries = archives.value("SELECT count(*) FROM ledger_entry")
    assert handover.take_results(archives.hub, folder) == {"ok": 2}, "the first answers again"
    assert archives.value("SELECT count(*) FROM ledger_entry") == entries
    archives.verified()


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"more": b"\n"}, "seal_invalid"), ({"file": "other.jsonl"}, "seal_scope"),
        ({"by": "hall"}, "not_allowed"),
    ],
)  # fmt: skip
def test_results_under_another_seal_are_not_taken(
    archives: Core, tmp_path: Path, over: dict[str, Any], code: str
) -> None:
    story = finished(archives)
    folder = carrier(archives, tmp_path / "back", [verdict(archives, story)], **over)
    with pytest.raises(HubError) as refused:
        handover.take_results(archives.hub, folder)
    assert refused.value.code == code
    assert archives.state(story.no) == "delivered"


def test_a_folder_without_results_and_a_line_that_is_none(archives: Core, tmp_path: Path) -> None:
    with pytest.raises(HubError) as refused:
        handover.take_results(archives.hub, tmp_path / "nowhere")
    assert refused.value.code == "bad_request"
    story = finished(archives)
    folder = carrier(archives, tmp_path / "back", [verdict(archives, story) | {"retcode": 1}])
    assert "ok" not in handover.take_results(archives.hub, folder)
    assert archives.state(story.no) == "delivered"
