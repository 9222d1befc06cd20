"""What the files of a site say of its applicants after a day of work: nothing, without its keys."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from canonical.values import complete_id_number
from hallservice.complaints import register
from hallservice.counter import certify, deliver, files, paying
from hallservice.uploads import check
from hallservice.web import drafts
from hallservice.web.forms import Form
from hallservice.web.guard import Vault
from tests.hallservice.counter.counter import FORM, Desk

NAME, AGENT, COMPLAINANT, COLLECTOR = "欧阳示甲", "司徒示乙", "上官示丙", "令狐示丁"
NUMBER, AGENTS, COLLECTORS = (str(complete_id_number(f"44149919{year}0307001")) for year in (61, 72, 83))
MOBILE, OTHER = "13911440001", "13911440002"
ADDRESS = "示范镇虚构路七十三号八〇二房"
PERSONAL = (NAME, AGENT, COMPLAINANT, COLLECTOR, NUMBER, AGENTS, COLLECTORS, MOBILE, OTHER, ADDRESS)


def forms(said: str) -> Iterator[bytes]:
    """How it may stand in a file: in the character sets that occur here, as base64, hex and JSON write it."""
    for charset in ("utf-8", "gb18030", "utf-16-le"):
        whole = said.encode(charset)
        yield whole
        yield whole.hex().encode()
        for before in range(3):  # base64 writes three bytes together, wherever those begin
            text = base64.b64encode(bytes(before) + whole)
            yield text[4 if before else 0 : len(text) // 4 * 4 - 4]
    yield json.dumps(said).strip('"').encode()


NEEDLES = {found for said in PERSONAL for found in forms(said)}


def told(folder: Path) -> dict[str, list[bytes]]:
    """File -> what it gives away."""
    said = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = {path.name: [one for one in NEEDLES if one in body] for path, body in said.items()}
    return {name: gave for name, gave in found.items() if gave}


def a_day(desk: Desk) -> str:
    """Application through an agent, files, acceptance, approval, fee, certificate, parcel, collection."""
    desk.partner("till", "fees")
    desk.partner("library", "certificates")
    desk.partner("courier", "logistics")
    desk.core.party("bank", sends=("fee.paid.v1",))
    form = replace(
        FORM, name=NAME, document_no=NUMBER, mobile=MOBILE, address=ADDRESS, channel="agent",
        agent_name=AGENT, agent_relation="family", agent_document_no=AGENTS,
        summary=f"{NAME}在{ADDRESS}开办小餐饮店",
    )  # fmt: skip
    no = desk.decided(form)
    scan = check("file", f"{NAME}身份证.pdf", f"%PDF-1.7 {NAME} {NUMBER}".encode())
    files.attach(desk.hall, desk.clerk(), desk.core.settings.state / "files", no, "营业执照", scan)
    request = desk.requested(no, {"103045": "1"}, reduction="1.00", reduction_basis=f"{NAME}为低保对象")
    notice = {"notice_no": "44140226000000000017", "check_no": "4821", "book_check_no": "90210773"}
    desk.answers("till", "fee.noticed.v1", {"request_id": request, "case_no": no, **notice})
    paying.notice(desk.hall, desk.clerk(), no)
    paid = {
        "notice_no": notice["notice_no"], "serial": "BK17", "amount": "11.50", "overdue_amount": "0.00",
        "paid_at": "2026-03-02T09:30:00+08:00", "bank": "103", "voucher_no": "V-17",
    }  # fmt: skip
    desk.core.ok("bank", "fee.paid.v1", paid)
    paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no))
    asked = certify.Asked("食品经营许可证", "2026-03-10", "2031-03-09")
    wanted = certify.request(desk.hall, desk.clerk(), no, desk.seen(no), asked)
    identifier = "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S"
    issued = {"request_id": wanted, "identifier": identifier, "number": NUMBER, "state": "issued"}
    desk.answers("library", "certificate.issued.v1", issued)
    desk.concluded(no)
    to = deliver.Address(NAME, MOBILE, "441402000000", ADDRESS, OTHER)
    deliver.send(desk.hall, desk.clerk(), no, desk.seen(no), to)
    taker = deliver.Collection(COLLECTOR, document_no=COLLECTORS)
    deliver.deliver(desk.hall, desk.clerk(), no, desk.seen(no), taker)
    return no


def test_no_file_of_the_site_names_a_person_of_a_case(desk: Desk) -> None:
    no, state = a_day(desk), desk.core.settings.state
    said = register.Complaint(
        "visit", no, "", "办理太慢", f"{COMPLAINANT}反映：{NAME}一案", COMPLAINANT, OTHER
    )  # fmt: skip
    register.register(desk.hall, desk.clerk(), said)
    vault = Vault(desk.core.hub.pseudonym_key)
    draft = drafts.keep(desk.hall, vault, "owner", Form({"name": [NAME], "document_no": [NUMBER]}))
    assert draft is not None
    assert (state / "hub.db-wal").stat().st_size > 100_000, "what was written last is looked at as well"
    assert told(state) == {}
    with desk.core.hub.store.engine.connect() as connection:  # the log goes into the database
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert (state / "hub.db-wal").stat().st_size == 0
    assert told(state) == {}
    desk.core.verified()
    read = [
        bytes(value) if isinstance(value, bytes) else str(value).encode()
        for table in ("document", "case_record", "hall_receipt", "hall_notice", "hall_file", "hall_fee")
        for row in desk.core.rows(f"SELECT * FROM {table}")  # noqa: S608 - names above
        for value in row.values()
    ]
    unread = [one for one in PERSONAL if not any(one.encode() in value for value in read)]
    assert unread == [AGENTS], "with the keys it is all there; of an agent no number is kept"


def test_the_search_finds_each_of_them_in_each_form(tmp_path: Path) -> None:
    for place, charset in enumerate(("utf-8", "gb18030", "utf-16-le")):
        for before in range(3):
            text = base64.b64encode(b"x" * before + f"{NAME}，{NUMBER}".encode(charset) + b"yz")
            (tmp_path / f"{place}{before}").write_bytes(text)
        (tmp_path / charset).write_bytes(f"…{ADDRESS}…{MOBILE}…".encode(charset))
    found = told(tmp_path)
    assert len(found) == 12
    assert all(len(gave) == 2 for gave in found.values()), found
