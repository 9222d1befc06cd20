"""Bad input ends as applied, held, refused with a code, or dead-lettered, and `tongban messages` shows it:
partial accepts, version gaps, D-then-I items, children before parents, wrong charset labels, truncated
bodies, batch limits. Nothing is ever dropped in silence."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exchange import faces
from exchange.app import cli
from exchange.consuming import PartnerQueue
from exchange.envelope import Envelope
from exchange.pipeline import accept_overdue, receive
from exchange.receipts import Receipt
from tests.exchange.core.rig import (
    ORG,
    PLAIN_ITEM,
    Core,
    Story,
    case_number,
    service_item,
    took,
)
from tests.exchange.core.test_consuming import FEEDBACK, Box, sealed, wire

Shown = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture
def shown(core: Core, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    """(type, state, code) of what `tongban messages` lists, oldest first."""
    monkeypatch.setenv("TONGBAN_STATE", str(core.settings.state))

    def run(*words: str) -> list[tuple[str, str, str]]:
        capsys.readouterr()
        assert cli.main(["messages", "--json", *words]) == 0
        listed = json.loads(capsys.readouterr().out)
        return [(one["type"], one["state"], one["code"]) for one in reversed(listed)]

    return run


@pytest.fixture
def case(core: Core) -> Story:
    """An accepted case of a department that speaks by queue."""
    core.clock.now = time.time()
    core.party("dept", adapter="department_a", org=ORG)
    core.party("province", adapter="provincial_reporting")
    story = Story(case_number(1))
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    return story


def queue(core: Core, box: Box, adapter: str = "department_a", entry: str = "feedback") -> PartnerQueue:
    known = core.hub.adapters[adapter]
    return PartnerQueue(core.hub, box, faces.Door(known, known.heard(entry)))


def say(core: Core, box: Box, object_: str, body: bytes, **more: Any) -> None:
    """A feedback of the department."""
    key = FEEDBACK.format(org=ORG, object=object_)
    headers = {"x-obj": object_, "x-ver": "1", **more}
    queue(core, box)(sealed(core, "dept", "gov.case", key, body, **headers))


def dead(box: Box) -> list[str]:
    return [post.headers["x-tongban-code"] for post in box.posts if post.exchange.endswith(".dlx")]


class TestPartialAccept:
    """The province takes a report, or none of it, row by row told why."""

    def test_row_errors_refuse_the_report_and_are_findings(
        self, core: Core, case: Story, shown: Shown
    ) -> None:
        core.delivered("province", lambda row: took(row))
        first = core.outbox("party = 'province'")[0]
        errors = [{"field": "SQRMC", "msg": "为空"}, {"field": "SBCLQD[2]", "msg": "名称过长"}]
        body = {
            "message_id": first["message_id"],
            "SBLSH": case.no,
            "code": "70",
            "msg": "x",
            "rowErrors": errors,
        }
        receipt = sealed(core, "province", "prov.hall", "receipt.441400", json.dumps(body).encode())
        queue(core, Box(), "provincial_reporting", "receipt")(receipt)
        states = [(row["state"], row["receipt_code"]) for row in core.outbox("party = 'province'")]
        assert states == [("refused", "70"), ("pending", None)], "the next waited for the receipt"
        assert core.findings(case.no) == [
            ("procedure", "receipt_refused"), ("content", "row_error"), ("content", "row_error"),
        ]  # fmt: skip
        assert shown("--party", "province")[-1] == ("exchange.receipted.v1", "accepted", "ok")
        core.delivered("province", lambda row: took(row))
        assert core.outbox("party = 'province'")[1]["state"] == "sent", "a bad receipt frees it too"


class TestVersions:
    """Gaps and orders of the catalogue."""

    def test_a_gap_of_data_versions_is_taken_as_a_correction(
        self, core: Core, case: Story, shown: Shown
    ) -> None:
        """Version 2 never came: 3 holds all of it."""
        say(core, Box(), "3", wire(case, "3"))
        say(core, Box(), "3", wire(case, "3", SJBBH=3, SPYJ="同意发证"), **{"x-ver": "3"})
        assert shown("--party", "dept", "--type", "case.step.v1") == [("case.step.v1", "accepted", "ok")] * 2
        assert core.state(case.no) == "reviewing"

    def test_a_header_of_another_version_is_refused(self, core: Core, case: Story, shown: Shown) -> None:
        say(core, Box(), "3", wire(case, "3", SJBBH=3))
        assert shown("--party", "dept")[-1][1:] == ("refused", "bad_value")

    def test_an_item_withdrawn_then_told_again(self, core: Core, case: Story, shown: Shown) -> None:
        """D then I: the item is back in force."""
        gone = [{"row_id": f"row-{PLAIN_ITEM[-6:]}-1", "code": PLAIN_ITEM, "version": 1}]
        others = [service_item(PLAIN_ITEM[:-3] + f"{number:03d}") for number in range(100, 130)]
        core.catalogue(*others, to=2)  # or one item would be so many that a person has to look at it
        core.catalogue(to=3, gone=gone)
        story = Story(case_number(7), PLAIN_ITEM)
        assert core.send("hall", "case.applied.v1", story.applied()).code == "item_not_in_force"
        core.catalogue(service_item(PLAIN_ITEM, version=2), to=4)
        core.ok("hall", "case.applied.v1", Story(case_number(8), PLAIN_ITEM).applied())
        assert ("case.applied.v1", "refused", "item_not_in_force") in shown("--party", "hall")
        assert [one[1:] for one in shown("--type", "catalogue.increment.v1")][-2:] == [("accepted", "ok")] * 2


class TestOrder:
    """Children before their parents."""

    def test_a_step_before_its_predecessor_is_held_then_applied(
        self, core: Core, case: Story, shown: Shown
    ) -> None:
        box = Box()
        say(core, box, "6", wire(case, "6"))
        assert shown("--party", "dept", "--state", "held") == [("case.special_finished.v1", "held", "held")]
        say(core, box, "5", wire(case, "5"))
        assert shown("--party", "dept")[-1][1] == "accepted"
        assert core.rows("SELECT * FROM inbox WHERE state = 'held'") == []

    def test_what_waits_too_long_ends_too(self, core: Core, case: Story, shown: Shown) -> None:
        say(core, Box(), "6", wire(case, "6"))
        core.clock.on(24 * 3600 + 1)
        core.hub.store.write(lambda work: accept_overdue(core.hub, work))
        assert core.rows("SELECT * FROM inbox WHERE state = 'held'") == []
        assert shown("--party", "dept")[-1][1] in ("accepted", "refused")

    def test_a_case_nobody_knows(self, core: Core, case: Story, shown: Shown) -> None:
        say(core, Box(), "3", wire(Story(case_number(99)), "3"))
        assert shown("--party", "dept")[-1] == ("case.step.v1", "refused", "unknown_case")


class TestBytes:
    """What cannot be read as it says it is."""

    def take_xml(self, core: Core, body: bytes, media: str) -> Receipt:
        envelope = Envelope("rest", body, media, core.clock.now)
        return receive(
            core.hub,
            envelope,
            lambda e: faces.open_xml(core.hub, e),
            lambda s, e: faces.read_xml(core.hub, s, e),
        )

    @pytest.mark.parametrize(
        ("text", "codec", "media", "code"),
        [
            (
                "<?xml version='1.0' encoding='UTF-8'?><a>梅</a>",
                "utf-8",
                "text/xml; charset=GBK",
                "bad_request",
            ),
            ("<?xml version='1.0' encoding='GBK'?><a>梅</a>", "utf-8", "text/xml", "bad_request"),
            ("<a>准予</a>", "gbk", "text/xml; charset=utf-8", "bad_request"),
            ("<a>梅</a>", "big5", "text/xml; charset=big5", "bad_media_type"),
            ("<a>梅</a>", "utf-16", "text/xml", "bad_request"),
        ],
    )
    def test_a_wrong_label(
        self, core: Core, case: Story, shown: Shown, text: str, codec: str, media: str, code: str
    ) -> None:
        receipt = self.take_xml(core, text.encode(codec), media)
        assert (receipt.status, receipt.code) == ("refused", code)
        assert shown()[-1][1:] == ("refused", code)

    @pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
    def test_a_truncated_body_under_its_own_seal(
        self, core: Core, case: Story, shown: Shown, part: float
    ) -> None:
        """Refused with a receipt, and set aside."""
        box, body = Box(), wire(case, "3")
        say(core, box, "3", body[: int(len(body) * part)])
        assert shown("--party", "dept")[-1][1:] == ("refused", "bad_request")
        assert dead(box) == ["bad_request"]
        assert [json.loads(post.body)["code"] for post in box.posts if post.exchange == "gov.case"] == ["70"]

    def test_a_truncated_body_whose_seal_was_for_the_whole(
        self, core: Core, case: Story, shown: Shown
    ) -> None:
        """Nobody can be told: a dead letter and a line in the ledger."""
        box, body = Box(), wire(case, "3")
        whole = sealed(core, "dept", "gov.case", FEEDBACK.format(org=ORG, object="3"), body)
        queue(core, box)(replace(whole, body=body[:-20]))
        assert dead(box) == ["seal_invalid"]
        assert shown()[-1][1:] == ("refused", "seal_invalid")


class TestLimits:
    """More than may come at once."""

    def test_a_body_over_4_mb_is_refused_with_its_code(self, core: Core, case: Story, shown: Shown) -> None:
        box = Box()
        say(core, box, "3", wire(case, "3", BZ="长" * (4 << 20)))
        assert shown("--party", "dept")[-1][1:] == ("refused", "too_large")
        assert dead(box) == ["too_large"]

    def test_every_row_error_of_a_receipt_is_a_finding(self, core: Core, case: Story, shown: Shown) -> None:
        """The most there may be: 50 (provincial contract)."""
        core.delivered("province", lambda row: took(row))
        first = core.outbox("party = 'province'")[0]
        errors = [{"field": f"F{number}", "msg": "x"} for number in range(50)]
        body = {"message_id": first["message_id"], "code": "70", "msg": "", "rowErrors": errors}
        receipt = sealed(core, "province", "prov.hall", "receipt.441400", json.dumps(body).encode())
        queue(core, Box(), "provincial_reporting", "receipt")(receipt)
        assert shown("--party", "province")[-1][1] == "accepted"
        assert core.findings(case.no).count(("content", "row_error")) == 50


def test_every_refusal_is_one_line_and_the_ledger_agrees(core: Core, case: Story, shown: Shown) -> None:
    """All at once: as many lines as things came."""
    box, before = Box(), len(shown())
    bad = [
        *(b"", b"{", b"[]", b"null", wire(case, "3")[:-5]),
        *(wire(case, "3", **over) for over in ({"SPHJDM": "9"}, {"X": "1"}, {"SPSJ": "null"})),
        *(wire(Story(case_number(98)), "3"), wire(case, "3", SXBM=PLAIN_ITEM)),
    ]
    for body in bad:
        say(core, box, "3", body)
    lines = shown()[before:]
    assert len(lines) == len(bad)
    assert {state for _, state, _ in lines} == {"refused"}
    assert all(code not in ("", "ok") for _, _, code in lines)
    assert core.state(case.no) == "accepted"
    core.verified()
