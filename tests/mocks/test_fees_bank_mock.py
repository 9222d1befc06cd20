"""Reversals, reconciliation files and monthly freeze of adapters/fees/contract, on the running program."""

import base64
import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mocks.partners.fees_calendar import Freeze
from mocks.partners.fees_recon import Line, file_text
from tests.mocks.jsonparty import Heard, Program, kid_of, until
from tests.mocks.test_fees_mock import (
    ask,
    cancel,
    confirm,
    heard_of,
    new_notice,
    notice_body,
    pay,
    query,
    refund,
    start,
)

BEIJING = timezone(timedelta(hours=8))
LINE = re.compile(r"(\d{20})\|(\w{1,30})\|([12])\|(\d+\.\d\d)\|(\d+\.\d\d)\|(\d{14})\|(\d{3})")


def today() -> str:
    return f"{datetime.now(BEIJING):%Y%m%d}"


@pytest.fixture(scope="module")
def fees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("fees")
    (folder / "drop").mkdir()
    program = start(folder, drop_folder=str(folder / "drop"), monthly_freeze=False)
    yield program
    program.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    programs: list[Program] = []

    def make(**own: Any) -> Program:
        (tmp_path / "drop").mkdir(exist_ok=True)
        place = {"drop_folder": str(tmp_path / "drop"), "monthly_freeze": False}
        programs.append(start(tmp_path, **(place | own)))
        return programs[-1]

    yield make
    for program in programs:
        program.close()


def act(program: Program, name: str, **asked: Any) -> httpx2.Response:
    return program.client.post(f"{program.url}/admin/{name}", json=asked)


def told(program: Program, number: str, path: str) -> list[Heard]:
    return [heard for heard in heard_of(program, number) if heard.path == path]


def paid(program: Program, **fields: str) -> tuple[str, dict[str, str]]:
    """A paid notice and what the hub was told."""
    number = new_notice(program, **fields)
    before = len(told(program, number, "/fee/paid"))
    assert pay(program, number).status_code == 200
    return number, until(lambda: told(program, number, "/fee/paid")[before:])[0].json()


def header_of(program: Program, token: str, body: bytes) -> dict[str, Any]:
    """The protected header of a detached RS256 JWS checked by hand (RFC 7515, RFC 7797)."""
    first, second, third = token.split(".")
    assert second == ""
    key = program.certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    value = base64.urlsafe_b64decode(third + "=" * (-len(third) % 4))
    key.verify(value, first.encode() + b"." + body, padding.PKCS1v15(), hashes.SHA256())
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    assert (header["alg"], header["b64"], header["crit"]) == ("RS256", False, ["b64"])
    assert header["kid"] == kid_of(program.certificate)
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", header["nonce"])
    return header


def test_a_reversal_makes_the_notice_unpaid_again(fees: Program) -> None:
    number, first = paid(fees)
    assert confirm(fees, number) == "000000"
    assert act(fees, "reverse", payNoteNo=number, reason="账户异常").status_code == 200
    heard = until(lambda: told(fees, number, "/fee/reversed"))[0]
    header = header_of(fees, heard.headers["X-Gov-Signature"], heard.body)
    assert (header["method"], header["path"]) == ("POST", "/fee/reversed")
    said = heard.json()
    assert list(said) == [
        "payNoteNo", "paySerial", "oriPaySerial", "amount", "reverseTime", "bankCode", "reason",
    ]  # fmt: skip
    assert (said["oriPaySerial"], said["amount"]) == (first["paySerial"], "105.00")
    assert said["paySerial"] != first["paySerial"]
    assert 0 < len(said["paySerial"]) <= 30
    assert said["reverseTime"][:8] == today()
    state = query(fees, number)
    assert (state["BILLSTATS"], state["PAYSERIAL"]) == ("0", "")
    assert confirm(fees, number) == "900011"
    assert act(fees, "reverse", payNoteNo=number).status_code == 409, "once"
    assert pay(fees, number).status_code == 200
    second = until(lambda: told(fees, number, "/fee/paid")[1:])[0].json()
    assert second["paySerial"] not in (first["paySerial"], said["paySerial"])
    assert confirm(fees, number) == "000000", "the first confirmation is void"


def test_what_cannot_be_reversed(fees: Program) -> None:
    unpaid = new_notice(fees)
    assert act(fees, "reverse", payNoteNo=unpaid).status_code == 409
    assert cancel(fees, unpaid) == "000000"
    assert act(fees, "reverse", payNoteNo=unpaid).status_code == 409
    assert act(fees, "reverse", payNoteNo="9" * 20).status_code == 404
    refunded, _ = paid(fees)
    assert refund(fees, refunded, "1.00")["CODE"] == "000000"
    assert act(fees, "reverse", payNoteNo=refunded).status_code == 409
    for wrong in (
        {},
        {"payNoteNo": 1},
        {"payNoteNo": unpaid, "more": 1},
        {"payNoteNo": unpaid, "reason": "x" * 501},
    ):
        assert act(fees, "reverse", **wrong).status_code == 422


def test_only_on_the_day_of_the_payment(fresh: Any) -> None:
    fees = fresh()
    number, _ = paid(fees)
    act(fees, "clock", offset_s=86_400, seals=False)
    assert act(fees, "reverse", payNoteNo=number).status_code == 409
    act(fees, "clock", offset_s=0)
    assert act(fees, "reverse", payNoteNo=number).status_code == 200


def test_the_late_surcharge_is_reversed_with_the_amount(fees: Program) -> None:
    due = datetime.now(BEIJING).date() - timedelta(days=3)
    _, told_of = paid(fees, DUE=f"{due:%Y%m%d}")
    assert (told_of["amount"], told_of["overdueAmount"]) == ("105.00", "0.16")  # 105.00 * 0.0005 * 3 = 0.1575
    _, on_time = paid(fees, DUE=today())
    assert on_time["overdueAmount"] == "0.00"
    assert act(fees, "reverse", payNoteNo=told_of["payNoteNo"]).status_code == 200
    heard = until(lambda: told(fees, told_of["payNoteNo"], "/fee/reversed"))[0]
    assert heard.json()["amount"] == "105.16"


def test_each_second_payment_is_taken_back_once(fresh: Any) -> None:
    fees = fresh(auto_pay=True, pay_delay_ms=200, reverse_every=2, reverse_delay_ms=200)
    numbers = [new_notice(fees) for _ in range(4)]

    def serials(path: str) -> list[int]:  # a call that was answered late may have come twice
        return sorted(
            len({one.json()["paySerial"] for one in told(fees, number, path)}) for number in numbers
        )

    until(lambda: sum(serials("/fee/paid")) == 6)
    time.sleep(0.6)
    payments, reversals = serials("/fee/paid"), serials("/fee/reversed")
    assert (payments, reversals) == ([1, 1, 2, 2], [0, 0, 1, 1])
    assert {query(fees, number)["BILLSTATS"] for number in numbers} == {"1"}


def test_a_reversal_may_come_twice_and_before_its_payment(fees: Program) -> None:
    fees.arm(operation="paid", fault="reorder", value=1)
    number = new_notice(fees)
    pay(fees, number)
    fees.arm(operation="reversed", fault="duplicate_push", value=1)
    act(fees, "reverse", payNoteNo=number)
    until(lambda: len(heard_of(fees, number)) == 3)
    assert [heard.path for heard in heard_of(fees, number)] == ["/fee/reversed", "/fee/reversed", "/fee/paid"]
    twice = [heard.headers["X-Gov-Signature"] for heard in told(fees, number, "/fee/reversed")]
    assert twice[0] != twice[1], "a fresh seal each time"


def test_a_killed_bank_goes_on_telling(fresh: Any) -> None:
    fees = fresh()
    number, _ = paid(fees)
    fees.stub.answers += [(503, "unsealed")]
    act(fees, "reverse", payNoteNo=number)
    until(lambda: told(fees, number, "/fee/reversed"))
    fees.end(signal.SIGKILL)
    fees.start()
    until(lambda: len(told(fees, number, "/fee/reversed")) >= 2)
    assert query(fees, number)["BILLSTATS"] == "0"


def made(program: Program, day: str = "") -> tuple[str, str]:
    """Name and text of the next file of a day, its flag checked."""
    answer = act(program, "reconcile", day=day or today())
    assert answer.status_code == 200
    name = answer.json()["file"]
    body = (program.folder / "drop" / name).read_bytes()
    token = (program.folder / "drop" / f"{name}.ok").read_text("ascii")
    assert token.endswith("\n")
    header = header_of(program, token.strip(), body)
    assert set(header) == {"alg", "b64", "crit", "kid", "iat", "nonce", "file"}
    assert header["file"] == name
    assert abs(header["iat"] - time.time()) < 10
    return name, body.decode("gb18030")


def rows(text: str) -> list[tuple[str, ...]]:
    """Every line but the first, in the form of the contract."""
    assert text.endswith("\n")
    found = [LINE.fullmatch(line) for line in text.split("\n")[1:-1]]
    assert None not in found
    return [match.groups() for match in found if match]


def agrees(text: str) -> bool:
    """Whether the first line counts and sums the others."""
    count, _, total = text.split("\n")[0].partition("|")
    worth = sum(
        (Decimal(amount) + Decimal(overdue)) * (1 if kind == "1" else -1)
        for _, _, kind, amount, overdue, _, _ in rows(text)
    )
    return (int(count), Decimal(total)) == (len(rows(text)), worth)


def test_the_file_of_a_day_tells_every_movement(fresh: Any) -> None:
    fees = fresh()
    number, payment = paid(fees)
    other, second = paid(fees)
    act(fees, "reverse", payNoteNo=other)
    back = until(lambda: told(fees, other, "/fee/reversed"))[0].json()
    name, text = made(fees)
    assert name == f"RECON_441400_{today()}.txt"
    assert text.split("\n")[0] == "3|105.00"
    assert agrees(text)
    assert [row[:5] for row in rows(text)] == [
        (number, payment["paySerial"], "1", "105.00", "0.00"),
        (other, second["paySerial"], "1", "105.00", "0.00"),
        (other, back["paySerial"], "2", "105.00", "0.00"),
    ]
    times = [row[5] for row in rows(text)]
    assert times == sorted(times)
    assert times[0] == payment["payTime"]
    assert {row[6] for row in rows(text)} == {payment["bankCode"]}
    assert [made(fees)[0], made(fees)[0]] == [f"RECON_441400_{today()}_{n}.txt" for n in (2, 3)]
    assert not [path for path in (fees.folder / "drop").iterdir() if path.name.startswith(".")]


def test_a_day_without_payments_has_a_file_too(fees: Program) -> None:
    assert made(fees, "20200101") == ("RECON_441400_20200101.txt", "0|0.00\n")
    for wrong in ("2020-01-01", "20200230", "", 1, None):
        assert act(fees, "reconcile", day=wrong).status_code == 422


def test_a_sum_may_be_negative() -> None:
    back = Line("4" * 20, "CZ1", 2, 5, 0, "20261120093000", "102")
    assert file_text([back]).split("\n")[0] == "1|-0.05"


def broken(program: Program, *faults: str) -> tuple[str, str, str]:
    """Name, text and flag ("" if there is none) of a file with planted faults."""
    for fault in faults:
        assert program.arm(operation="reconciliation", fault=fault).status_code == 200
    answer = act(program, "reconcile", day=today()).json()
    assert answer["faults"] == sorted(faults)
    path = program.folder / "drop" / answer["file"]
    flag = path.with_name(f"{path.name}.ok")
    return answer["file"], path.read_bytes().decode("gb18030"), flag.read_text() if flag.exists() else ""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Three payments of today, nothing else."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "drop").mkdir()
    program = start(folder, drop_folder=str(folder / "drop"), monthly_freeze=False)
    for _ in range(3):
        assert pay(program, new_notice(program)).status_code == 200
    yield program
    program.close()


def test_planted_differences(bank: Program) -> None:
    fees = bank
    good = rows(made(fees)[1])
    assert len(good) == 3

    def planted(fault: str) -> list[tuple[str, ...]]:
        name, text, flag = broken(fees, fault)
        assert header_of(fees, flag.strip(), text.encode("gb18030"))["file"] == name
        assert agrees(text), "the file does not contradict itself"
        return rows(text)

    assert planted("missing_line") == good[:-1]
    extra = planted("extra_line")
    assert extra[:-1] == good
    assert extra[-1][1] not in {row[1] for row in good}
    wrong = planted("wrong_amount")
    assert [row[3] for row in wrong] == ["105.01", "105.00", "105.00"]
    assert planted("duplicate_line") == [*good, good[-1]]


def test_planted_contradictions_and_bad_flags(bank: Program) -> None:
    fees = bank
    good = made(fees)[1]
    for fault in ("wrong_count", "wrong_sum"):
        assert not agrees(broken(fees, fault)[1])
    cut = broken(fees, "truncated")[1]
    assert good.startswith(cut)
    assert not cut.endswith("\n")
    assert broken(fees, "no_flag")[2] == ""
    _, text, flag = broken(fees, "sig_bad")
    with pytest.raises(InvalidSignature):
        header_of(fees, flag.strip(), text.encode())
    _, text, flag = broken(fees, "stale")
    assert header_of(fees, flag.strip(), text.encode())["iat"] < time.time() - 7 * 86400
    again, text, _ = broken(fees, "same_name", "wrong_amount")
    assert again == f"RECON_441400_{today()}.txt"
    assert text not in (good, made(fees)[1])
    assert fees.arm(operation="reconciliation", fault="half_open").status_code == 422


def test_the_file_is_made_when_the_day_is_over(fresh: Any) -> None:
    fees = fresh()
    paid(fees)
    drop, yesterday = fees.folder / "drop", today()
    assert list(drop.iterdir()) == []
    act(fees, "clock", offset_s=86_400, seals=False)
    until(lambda: (drop / f"RECON_441400_{yesterday}.txt.ok").exists())
    fees.end(signal.SIGKILL)
    fees.start()
    act(fees, "clock", offset_s=2 * 86_400, seals=False)
    following = f"{datetime.now(BEIJING) + timedelta(days=1):%Y%m%d}"
    until(lambda: (drop / f"RECON_441400_{following}.txt.ok").exists())
    assert (drop / f"RECON_441400_{following}.txt").read_bytes() == b"0|0.00\n"
    assert len(list(drop.iterdir())) == 4, "one file a day, with its flag"


def test_without_a_folder_there_is_no_file_and_the_bank_goes_on(fresh: Any, tmp_path: Path) -> None:
    fees = fresh(drop_folder=str(tmp_path / "gone"))
    assert act(fees, "reconcile", day=today()).status_code == 422
    act(fees, "clock", offset_s=86_400, seals=False)
    act(fees, "autopay", on=True)
    number = new_notice(fees)
    act(fees, "clock", offset_s=86_410, seals=False)
    assert until(lambda: told(fees, number, "/fee/paid"))


def seconds(text: str) -> float:
    return datetime.fromisoformat(f"{text}+08:00").timestamp()


@pytest.mark.parametrize(
    ("at", "frozen"),
    [
        ("2026-11-30T16:59:59", False), ("2026-11-30T17:00:00", True), ("2026-11-30T23:59:59", True),
        ("2026-12-01T00:00:00", True), ("2026-12-01T07:59:59", True), ("2026-12-01T08:00:00", False),
        ("2026-11-27T18:00:00", False),  # a Friday, but Monday still belongs to the month
        ("2026-10-30T17:00:00", True), ("2026-10-31T07:00:00", True), ("2026-10-31T17:00:00", False),
        ("2026-02-27T17:00:00", True),  # February ends on a Saturday
        ("2026-12-31T17:00:00", True), ("2027-01-01T07:59:59", True),
    ],
)  # fmt: skip
def test_hours_of_the_freeze(at: str, frozen: bool) -> None:
    assert Freeze().holds(seconds(at)) is frozen
    assert not Freeze(on=False).holds(seconds(at))


def test_holidays_and_working_weekends_move_the_freeze() -> None:
    moved = Freeze.of(True, ["20261130"], ["20261129"])
    assert moved.holds(seconds("2026-11-29T17:00:00"))
    assert moved.holds(seconds("2026-11-30T07:59:59"))
    assert not moved.holds(seconds("2026-11-30T17:00:00"))


def last_working_day() -> date:
    """Of this month, Monday to Friday."""
    first = datetime.now(BEIJING).date().replace(day=1)
    day = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    while day.weekday() >= 5:
        day -= timedelta(days=1)
    return day


def test_the_monthly_freeze_by_the_clock(fresh: Any) -> None:
    fees = fresh(monthly_freeze=True, drop_folder="")
    day = last_working_day()

    def clock(hour: int, days: int = 0) -> None:
        at = datetime(day.year, day.month, day.day, hour, tzinfo=BEIJING) + timedelta(days=days)
        answer = act(fees, "clock", offset_s=at.timestamp() - time.time(), seals=False)
        assert answer.status_code == 200

    clock(12)
    number, _ = paid(fees)
    waiting = new_notice(fees)
    clock(18)
    assert ask(fees, "CreateNotice", notice_body())["CODE"] == "900020"
    assert (confirm(fees, number, msg_id="m-frozen"), cancel(fees, waiting)) == ("900020", "900020")
    assert refund(fees, number, "1.00")["CODE"] == "900020"
    assert query(fees, number)["BILLSTATS"] == "1"
    assert ask(fees, "QueryFeeBasis", "<BASIS><CODE>103043101</CODE></BASIS>")["CODE"] == "000000"
    assert pay(fees, waiting).status_code == 200, "the bank works"
    assert until(lambda: told(fees, waiting, "/fee/paid"))
    clock(7, days=1)
    assert confirm(fees, number) == "900020"
    clock(9, days=1)
    assert confirm(fees, number, msg_id="m-frozen") == "000000", "the refusal was not kept"


def test_queries_have_no_freeze_to_plant(fees: Program) -> None:
    assert fees.arm(operation="QueryNotice", fault="freeze").status_code == 422
