"""The hub and an independent provincial catalogue over signed SOAP: lists, codes, reports and their audit."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from exchange import items
from exchange.app.serving import Channels
from exchange.catalogue import loads
from exchange.catalogue.pulling import Puller
from exchange.delivery import deliver
from exchange.dispatch import Dispatcher
from exchange.errors import Refused
from exchange.hub import Hub
from exchange.registry import PartyFacts, add_party
from tests.exchange.core.rig import Core, service_item
from tests.mocks.jsonparty import ACCOUNT, SECRET, Program

TOWN = "441424100000"


class Attached(Program):
    """The province, told whose seal to trust."""

    certificate_of_hub = b""

    def config(self, **own: Any) -> None:
        (self.folder / "hub-rsa.pem").write_bytes(self.certificate_of_hub)
        super().config(**own)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory, hub_keys: Path) -> Iterator[Program]:
    Attached.certificate_of_hub = (hub_keys / "hub-rsa.pem").read_bytes()
    program = Attached("catalogue", tmp_path_factory.mktemp("province"), b"{}")
    yield program
    program.close()


@pytest.fixture
def hub(core: Core, province: Program) -> Hub:
    core.clock.to(datetime.now(UTC))  # the province lives now
    account = {"account": ACCOUNT, "region": "441400000000", "withdraw_share": "1"}
    facts = PartyFacts("prov", adapter="provincial_catalogue", address=province.url, account=account)
    pem = province.certificate.public_bytes(Encoding.PEM).decode()
    core.hub.store.write(lambda work: add_party(work, core.hub.name, facts, pem, core.hub.adapters))
    core.hub.parties.forget()
    core.party("towns", adapter="house", sends=("catalogue.reported.v1",))
    core.hub = replace(core.hub, secrets={"prov": SECRET})
    return core.hub


@pytest.fixture
def puller(hub: Hub) -> Puller:
    return Puller(hub, Channels(hub, None).to)  # type: ignore[arg-type]  # nothing here goes over a queue


def newest(hub: Hub) -> Any:
    with hub.store.read() as connection:
        return loads.latest(connection, "prov")


def again_from_the_start(hub: Hub) -> None:
    hub.store.write(lambda work: items.move(work, "prov", 0))


def test_the_whole_list_comes_into_force_at_once(core: Core, hub: Hub, puller: Puller) -> None:
    assert puller.pull("prov") > 0
    load = newest(hub)
    assert (load.state, load.difference["added"]) == ("applied", load.total)
    assert load.total == core.value("SELECT count(*) FROM item WHERE current AND state = 'in_use'")
    core.verified()


def test_rows_that_change_pages_start_the_list_again(hub: Hub, puller: Puller, province: Program) -> None:
    puller.pull("prov")
    again_from_the_start(hub)
    province.arm(operation="QueryIncrement", fault="pagination_shift", times=1)
    puller.pull("prov")
    with hub.store.read() as connection:
        before = loads.by_id(connection, newest(hub).id - 1)
    assert before is not None and before.reason.startswith("pagination_shift")
    assert (newest(hub).state, set(newest(hub).difference)) == ("applied", {"unchanged"})


def test_an_increment_delivered_twice_counts_once(hub: Hub, puller: Puller, province: Program) -> None:
    puller.pull("prov")
    again_from_the_start(hub)
    province.arm(operation="QueryIncrement", fault="duplicate_push", times=1)
    puller.pull("prov")
    assert (newest(hub).state, set(newest(hub).difference)) == ("applied", {"unchanged"})


def test_an_interrupted_list_is_taken_up_at_its_page(
    core: Core, hub: Hub, puller: Puller, province: Program
) -> None:
    account = {"account": ACCOUNT, "region": "441400000000", "withdraw_share": "1", "page_size": "50"}
    core.hub.store.write(lambda work: _account(work, account))
    core.hub.parties.forget()
    pages: list[str] = []
    page = puller._page

    def cut(channel: Any, since: int, cursor: str, *, resumed: bool) -> Any:
        pages.append(cursor)
        if len(pages) == 3:
            raise KeyboardInterrupt
        return page(channel, since, cursor, resumed=resumed)

    puller._page = cut  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        puller.pull("prov")
    assert (newest(hub).state, newest(hub).pages, newest(hub).cursor) == ("loading", 2, pages[2])
    assert core.value("SELECT count(*) FROM item WHERE row_id NOT LIKE 'row-%'") == 0
    fresh = Puller(hub, Channels(hub, None).to)  # type: ignore[arg-type]
    fresh.pull("prov")
    assert newest(hub).state == "applied"
    assert newest(hub).pages == -(-newest(hub).total // 50), "no page was asked for twice"


def _account(work: Any, account: dict[str, str]) -> None:
    from sqlalchemy import update

    from exchange.store.tables import party

    work.connection.execute(update(party).where(party.c.name == "prov").values(account=account))


def test_a_code_list_that_differs_is_a_finding(core: Core, puller: Puller) -> None:
    assert puller.lists("prov") == 7
    found = core.rows("SELECT detail FROM finding WHERE code = 'code_list_differs'")
    assert [row["detail"] for row in found] == ["prov TASK_TYPE: 00 行政权力事项 is ours alone"]
    assert puller.lists("prov") == 0, "once a day"


def test_a_single_item_can_be_asked_for(core: Core, hub: Hub, puller: Puller) -> None:
    with pytest.raises(Refused):
        puller.item("prov", "1" * 31)
    puller.pull("prov")
    code = core.value("SELECT code FROM item WHERE current AND state = 'in_use' LIMIT 1")
    puller.item("prov", code)
    assert (newest(hub).state, newest(hub).difference) == ("applied", {"unchanged": 1})


def local(number: int, **more: Any) -> dict[str, Any]:
    # the certificate's type is left out: these are services of a town
    said = service_item(row_id=f"r-{number}", town=TOWN, result_kind="none", name="生育登记", **more)
    return {"local_code": f"MZ-{number:04d}", "category": "population", "item": said}


def sent(hub: Hub, puller: Puller) -> None:
    """One round of the dispatcher towards the province."""
    channel = puller.channels("prov")
    assert channel is not None

    def attempt(row: Any) -> Any:
        facts = {**row.context, "message_id": row.message_id}
        return deliver(channel, channel.adapter.call(row.document), row.type, row.payload, facts)

    assert Dispatcher(hub, "prov", attempt, None).round() == 1


@pytest.mark.req("S0-09")
def test_a_batch_is_taken_in_part_and_audited_over_night(
    core: Core, hub: Hub, puller: Puller, province: Program
) -> None:
    province.arm(operation="ReportItems", fault="partial_accept", times=1)
    late = {"count": 30, "unit": "working_day"}  # promises more than the law asks: the audit finds it
    rows = [local(1), local(2), local(3, promised_limit=late)]
    batch = {"batch_id": f"b-{province.url[-5:]}", "items": rows}
    core.ok("towns", "catalogue.reported.v1", batch)
    assert core.send("towns", "catalogue.reported.v1", batch).code == "conflict"
    sent(hub, puller)

    def states() -> dict[str, str]:
        return {row["row_id"]: row["state"] for row in core.rows("SELECT * FROM catalogue_report")}

    assert states() == {"r-1": "done", "r-2": "refused", "r-3": "done"}
    refused = core.rows("SELECT told, message FROM catalogue_report WHERE row_id = 'r-2'")
    assert refused == [{"told": "70", "message": "目录编码未登记"}]
    assert puller.audit("prov") == 0, "not before the night is over"
    core.clock.on(2 * 86_400)  # what came after midnight is of the next night
    assert puller.audit("prov") == 1
    assert states() == {"r-1": "abnormal", "r-2": "refused", "r-3": "abnormal"}, "without materials all are"
    assert puller.audit("prov") == 0
    codes = {row["code"] for row in core.rows("SELECT code FROM finding")}
    assert {"report_row_refused", "report_row_abnormal"} <= codes
    core.verified()
