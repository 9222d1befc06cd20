"""Who is told of a card, how often, and what ends it; thresholds, calendars, defaults and the keeper."""

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from canonical.messages import SmsReported
from exchange import calendars
from exchange.pipeline import submit
from exchange.recomputing import recompute
from exchange.store.tables import document
from hallservice.counter import reactions as counter
from hallservice.counter.tables import hall_certificate
from hallservice.hall import Hall
from hallservice.people.sessions import clerk_of
from hallservice.refusals import FormRefused, HallRefused
from hallservice.supervision import cards, keeper, sending, thresholds
from hallservice.supervision import reactions as supervision
from hallservice.supervision.scanning import scan
from hallservice.supervision.tables import call, card
from tests.exchange.core.rig import ITEM, Core, Story, until
from tests.hallservice.supervision.watch import (
    MOBILES,
    accepted,
    moment,
    morning,
    mornings,
    opened,
    staffed,
    told,
    with_reactions,
)
from tests.hallservice.world import clerk_of_role, hall_of

RULES = {"warning": "2", "prompt": "0", "yellow": "1", "red": "2", "deem_accepted": "on"}


def sent(core: Core) -> list[dict[str, Any]]:
    """Short messages of cards so far, as the exchange recorded them."""
    with core.hub.store.read() as connection:
        query = select(document.c.canonical).where(document.c.type == "sms.requested.v1")
        found = list(connection.execute(query.order_by(document.c.entry)).scalars())
    return [one for one in found if one["template"].startswith("card_")]


def states(core: Core, colour: str) -> dict[str, str]:
    rows = core.rows(
        "SELECT role, state FROM hall_card_call JOIN hall_card ON hall_card.id = card WHERE colour = :c",
        c=colour,
    )
    return {row["role"]: row["state"] for row in rows}


def report(core: Core, request: str, mobile: str, status: str) -> None:
    """The gateway's delivery report."""
    when = moment("2025-03-12").isoformat()
    one = {"group_id": "g1", "mobile": mobile, "request_id": request, "status": status}
    said = SmsReported.model_validate({"reports": [{**one, "submitted_at": when, "received_at": when}]})
    core.hub.store.write(lambda work: submit(core.hub, work, said, cause=None))


@pytest.fixture
def red(hub: Core, watch: Hall) -> Story:
    """E01 with the five roles: accepted 2025-03-03, 5 days; red on 2025-03-12."""
    staffed(watch)
    story = accepted(hub, 1, "2025-03-03", 5)
    mornings(hub, watch, date(2025, 3, 3), date(2025, 3, 12))
    return story


def at(core: Core, hall: Hall, day: str, hour: int) -> int:
    """What goes out at that hour."""
    core.clock.to(moment(day, hour))
    return sending.round_(hall)


@pytest.mark.req("S0-44", "S0-42", "S0-43", "R-05")
def test_a_red_card_goes_to_five_roles_until_it_is_delivered(hub: Core, watch: Hall, red: Story) -> None:
    assert sent(hub) == [], "nobody is woken at five past midnight"
    assert at(hub, watch, "2025-03-12", 9) == 5, "the prompts of the days before have no sense any more"
    messages = [one for one in sent(hub) if one["template"] == "card_red"]
    assert sorted(one["mobile"] for one in messages) == sorted(MOBILES.values())
    assert all(red.no in one["content"] and "3月10日" in one["content"] for one in messages)
    for one in messages[:3]:
        report(hub, one["request_id"], one["mobile"], "delivered")
    report(hub, messages[3]["request_id"], messages[3]["mobile"], "undeliverable")
    assert sorted(states(hub, "red").values()) == ["delivered"] * 3 + ["failed", "sent"]
    assert at(hub, watch, "2025-03-12", 10) == 2, "those that were not delivered, and no other"
    assert {one["mobile"] for one in sent(hub)[-2:]} == {one["mobile"] for one in messages[3:]}


def test_it_is_sent_six_times_at_most_and_then_a_finding(hub: Core, watch: Hall, red: Story) -> None:
    for day in range(12, 31):
        for hour in (8, 9, 12, 18, 20):
            at(hub, watch, f"2025-03-{day}", hour)
    by_mobile = [one["mobile"] for one in sent(hub) if one["template"] == "card_red"]
    assert {by_mobile.count(number) for number in MOBILES.values()} == {6}
    assert set(states(hub, "red").values()) == {"given_up"}
    assert ("procedure", "card_undelivered") in hub.findings(red.no)
    assert len({one["request_id"] for one in sent(hub)}) == len(sent(hub))


def test_only_a_receiver_acknowledges_and_is_left_in_peace_then(hub: Core, watch: Hall, red: Story) -> None:
    with hub.hub.store.read() as connection:
        ident = connection.execute(select(card.c.id).where(card.c.colour == "red")).scalar_one()
        chief = connection.execute(select(call.c.user).where(call.c.role == "主管处长")).scalars().first()
    stranger = clerk_of_role(watch, "other")
    with pytest.raises(HallRefused, match="not_receiver"):
        cards.acknowledge(watch, stranger, ident)
    with hub.hub.store.read() as connection:
        receiver = clerk_of(connection, str(chief), hub.clock.now)[0]
        assert [row.colour for row in cards.banner(connection, receiver)] == ["red"]
    before = hub.value("SELECT count(*) FROM ledger_entry")
    cards.acknowledge(watch, receiver, ident)
    cards.acknowledge(watch, receiver, ident)
    assert hub.value("SELECT count(*) FROM ledger_entry") == before + 1
    assert states(hub, "red")["主管处长"] == "acknowledged"
    at(hub, watch, "2025-03-12", 9)
    assert MOBILES["主管处长"] not in {one["mobile"] for one in sent(hub)}
    hub.verified()


def test_a_role_nobody_holds_is_a_finding(hub: Core, watch: Hall) -> None:
    staffed(watch, without=("办公室主任",))
    story = accepted(hub, 1, "2025-03-03", 5)
    mornings(hub, watch, date(2025, 3, 3), date(2025, 3, 12))
    assert states(hub, "red")["办公室主任"] == "missing"
    said = hub.rows("SELECT detail FROM finding WHERE code = 'card_receiver_missing'")
    assert [row["detail"].endswith("办公室主任") for row in said] == [True], story.no


def test_prompts_of_one_person_go_out_together(hub: Core, watch: Hall) -> None:
    staffed(watch)
    for serial in (1, 2, 3, 4):
        accepted(hub, serial, "2025-03-03", 5)
    morning(hub, watch, date(2025, 3, 6))
    assert at(hub, watch, "2025-03-06", 8) == 2, "one to the undertaker, one to the chief of the section"
    assert all("4件办件即将到期" in one["content"] for one in sent(hub))


@pytest.mark.req("R-05", "S0-67", "R-07")
def test_undertaker_and_leader_are_reminded_at_d_minus_2_d_d_plus_1_and_d_plus_2(
    hub: Core, watch: Hall
) -> None:
    """By short message, and by a line above their worklists: of five days from Monday the 10th is D."""
    staffed(watch)
    story = accepted(hub, 1, "2025-03-03", 5)
    people = {role: MOBILES[role] for role in ("承办人", "主管处长")}
    before, day = 0, date(2025, 3, 3)
    for due, colour in (("06", "warning"), ("10", "due"), ("11", "yellow"), ("12", "red")):
        mornings(hub, watch, day, day := date(2025, 3, int(due)))
        at(hub, watch, f"2025-03-{due}", 9)
        new = [one for one in sent(hub)[before:] if one["template"] == f"card_{colour}"]
        before = len(sent(hub))
        assert {*people.values()} <= {one["mobile"] for one in new}
        assert len(new) == (5 if colour == "red" else 2) and all(story.no in one["content"] for one in new)
        for mobile in people.values():
            user = hub.value("SELECT id FROM hall_user WHERE mobile = :m", m=mobile)
            with hub.hub.store.read() as connection:
                found = clerk_of(connection, user, hub.clock.now)[0]
                shown = [row.colour for row in cards.banner(connection, found)]
            assert [one for one in shown if one != "none"] == [colour], "and perhaps a finding on the promise"


@pytest.mark.req("S0-41")
def test_a_concluded_case_is_told_nothing_more(hub: Core, watch: Hall) -> None:
    staffed(watch)
    story = accepted(hub, 1, "2025-03-03", 5)
    mornings(hub, watch, date(2025, 3, 3), date(2025, 3, 11))
    hub.clock.to(moment("2025-03-11"))
    hub.ok("hall", "case.concluded.v1", story.concluded("voided", moment("2025-03-11")))
    mornings(hub, watch, date(2025, 3, 11), date(2025, 3, 20))
    assert [signal for signal, _, _ in told(hub, story)] == ["warning", "due_today", "yellow"]
    assert at(hub, watch, "2025-03-20", 9) == 0


@pytest.mark.req("S0-41", "S3-75")
def test_a_region_sets_its_thresholds_and_those_below_inherit(hub: Core, watch: Hall) -> None:
    boss, supervisor = clerk_of_role(watch, "administrator"), clerk_of_role(watch, "supervisor")
    city = dict(RULES, warning="4", red="3")
    with pytest.raises(HallRefused, match="not_allowed"):
        thresholds.set_rules(watch, boss, "441402000000", RULES)
    with pytest.raises(HallRefused, match="not_allowed"):
        thresholds.set_rules(watch, supervisor, "441403000000", RULES)
    with pytest.raises(FormRefused) as wrong:
        thresholds.set_rules(watch, supervisor, "441402000000", dict(RULES, red="0", warning="x"))
    assert [fault.field for fault in wrong.value.faults] == ["warning"]
    story = accepted(hub, 1, "2025-03-03", 5)
    before = hub.value("SELECT count(*) FROM ledger_entry")
    thresholds.set_rules(watch, supervisor, "441402000000", city)
    assert hub.value("SELECT count(*) FROM ledger_entry") == before + 1
    with hub.hub.store.read() as connection:
        book = thresholds.rulebook(connection)
    assert book.of("441402102000").thresholds.warning == 4, "a town of the county"
    assert book.of("441403000000").thresholds.warning == 2, "another county"
    mornings(hub, watch, date(2025, 3, 3), date(2025, 3, 14))
    # 4 days remain on Tuesday 4 March; the third day over is Thursday 13 March
    assert [(signal, day) for signal, _, day in told(hub, story)] == [
        ("warning", "2025-03-04"),
        ("due_today", "2025-03-10"),
        ("yellow", "2025-03-11"),
        ("red", "2025-03-13"),
    ]


YEAR_2027 = """
year = 2027
version = 1
source = "a notice of the test"
published = 2026-11-20
rest = [
  {reason = "元旦", from = 2027-01-01, to = 2027-01-03},
  {reason = "春节", from = 2027-02-05, to = 2027-02-11},
]
work = []
"""


def test_a_published_calendar_moves_provisional_dues_and_begins_their_cycle_anew(
    hub: Core, watch: Hall
) -> None:
    """2026-12-28 and 10 days: 2027-01-11 by weekdays alone, the 12th once 1 January is known to be off."""
    story = accepted(hub, 1, "2026-12-28", 10)
    hub.clock.to(moment("2026-12-28"))
    hub.ok("hall", "case.special_started.v1", story.special(1, at=moment("2026-12-28"), days=10))
    assert hub.rows("SELECT due, provisional FROM hall_clock WHERE clock = 'special_procedure/1'") == [
        {"due": "2027-01-11", "provisional": 1}
    ]
    scan(watch, date(2026, 12, 28))

    def publish(work: Any) -> None:
        calendars.load(work, hub.hub.name, YEAR_2027)
        recompute(work, hub.hub.name, hub.hub.pseudonym_key, "calendar-2027-1")

    hub.hub.store.write(publish)
    found = scan(watch, date(2026, 12, 28))
    assert found.whole and not scan(watch, date(2026, 12, 28)).whole
    assert hub.rows("SELECT due, provisional FROM hall_clock WHERE clock = 'special_procedure/1'") == [
        {"due": "2027-01-12", "provisional": 0}
    ]
    kinds = [row["body"] for row in hub.rows("SELECT body FROM act ORDER BY entry DESC LIMIT 1")]
    assert b"2027-01-12" in kinds[0], "the moved date is an act"


def test_a_region_may_switch_the_default_off(hub: Core, watch: Hall) -> None:
    rules = {name: value for name, value in RULES.items() if name != "deem_accepted"}
    thresholds.set_rules(watch, clerk_of_role(watch, "supervisor"), "441402000000", rules)
    story = opened(hub, 1, "2026-02-11", ITEM)
    mornings(hub, watch, date(2026, 2, 11), date(2026, 3, 2))
    assert hub.state(story.no) == "submitted"
    assert [signal for signal, _, _ in told(hub, story, "supplement_notice")][-1] == "red"


@pytest.mark.req("R-04")
def test_silence_accepts_licences_alone_and_only_where_nothing_was_answered(hub: Core, watch: Hall) -> None:
    licence, service = opened(hub, 1, "2026-02-11", ITEM), opened(hub, 2, "2026-02-11")
    noticed = opened(hub, 3, "2026-02-11", ITEM)
    hub.ok("hall", "case.supplement_noticed.v1", noticed.supplement_noticed())
    mornings(hub, watch, date(2026, 2, 11), date(2026, 2, 25))
    assert {hub.state(one.no) for one in (licence, service)} == {"submitted"}
    morning(hub, watch, date(2026, 2, 26))
    assert [hub.state(one.no) for one in (licence, service, noticed)] == [
        "accepted",
        "submitted",
        "supplementing",
    ]
    decided = hub.value("SELECT count(*) FROM case_record WHERE state IN ('decided', 'concluded')")
    assert decided == 0, "no default decides on a licence"
    hub.verified()


def test_two_keepers_do_the_work_once(hub: Core, watch: Hall) -> None:
    staffed(watch)
    for serial in range(1, 13):
        accepted(hub, serial, "2025-03-03", 5)
    hub.clock.to(moment("2025-03-12", 9))
    stop = threading.Event()
    both = [threading.Thread(target=keeper.keeper, args=(watch, stop, 0.01)) for _ in range(2)]
    for one in both:
        one.start()
    count = select(func.count()).select_from(call).where(call.c.state == "waiting")

    def quiet() -> bool:
        with hub.hub.store.read() as connection:
            cards_ = connection.execute(select(func.count()).select_from(card)).scalar_one()
            return bool(cards_ >= 12 * 4 and connection.execute(count).scalar_one() == 0)

    try:
        until(quiet, 30)
    finally:
        stop.set()
        for one in both:
            one.join(30)
    twice = "SELECT case_no FROM hall_card GROUP BY case_no, clock, due, signal HAVING count(*) > 1"
    assert hub.rows(twice) == []
    reds = [one for one in sent(hub) if one["template"] == "card_red"]
    assert len(reds) == 12 * 5 == len({(one["case_no"], one["mobile"]) for one in reds})


def test_the_day_begins_five_seconds_after_midnight_in_the_city() -> None:
    midnight = moment("2026-03-03", 0)
    assert keeper.working_date(midnight.timestamp() + 4.9) == date(2026, 3, 2)
    assert keeper.working_date(midnight.timestamp() + 5) == date(2026, 3, 3)
    assert keeper.working_date((midnight - timedelta(hours=1)).timestamp()) == date(2026, 3, 2)


def test_a_special_procedure_without_a_basis_is_a_finding(hub: Core, watch: Hall) -> None:
    story = accepted(hub, 1, "2026-03-02", 20)
    hub.ok("hall", "case.special_started.v1", story.special(1, at=moment("2026-03-02")))
    assert ("procedure", "special_without_basis") in hub.findings(story.no)
    hub.ok("hall", "case.special_finished.v1", story.special_over(1, at=moment("2026-03-02")))
    lawful = {**story.special(2, at=moment("2026-03-02")), "name": "听证"}
    hub.ok("hall", "case.special_started.v1", lawful)
    assert hub.findings(story.no).count(("procedure", "special_without_basis")) == 1


def test_a_certificate_left_for_later_is_due_all_the_same_until_it_comes(hub: Core) -> None:
    """E38: decided on 28 September 2026, ten working days to 16 October; concluded without it on the 9th."""
    with_reactions(hub, counter.REACTIONS, supervision.REACTIONS)
    hall = hall_of(hub)
    mine = accepted(hub, 700, "2026-09-01", 60)
    hub.clock.to(moment("2026-09-28"))
    for number in (1, 2, 3):
        hub.ok("hall", "case.step.v1", mine.step(number, at=moment("2026-09-28")))
    asked = {
        "request_id": f"cert-{mine.no}", "case_no": mine.no, "name": "许可证", "state": "requested",
        "valid_from": "2026-09-28", "asked_at": hub.clock(), "later": True,
    }  # fmt: skip
    hall.write(lambda work: work.connection.execute(insert(hall_certificate), asked).rowcount)
    hub.clock.to(moment("2026-10-09"))
    hub.ok("hall", "case.concluded.v1", mine.concluded("concluded", moment("2026-10-09")))
    mornings(hub, hall, date(2026, 10, 9), date(2026, 10, 19))
    signals = ["warning", "due_today", "yellow"]
    assert [(one, day) for one, _, day in told(hub, mine, "service")] == list(
        zip(signals, ("2026-10-14", "2026-10-16", "2026-10-19"), strict=True)
    )
    hub.party("library", sends=("certificate.issued.v1",))
    hub.ok("library", "certificate.issued.v1", mine.certificate_issued())
    assert hub.state(mine.no) == "concluded"
    mornings(hub, hall, date(2026, 10, 19), date(2026, 10, 21))
    assert [one for one, _, _ in told(hub, mine, "service")] == signals
