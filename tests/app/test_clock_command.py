"""`tongban clock` from bytes in to bytes out: the worked examples, the refusals, bounds and streaming."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.calendar import shipped
from exchange.app import cli
from exchange.app.commands import clock

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "canonical" / "time_limit_examples.txt"
ANSWER = ["id", "due", "warning", "yellow", "red", "provisional"]

NEXT_YEAR = """
year = 2027
version = 1
source = "invented for this test"
published = 2026-11-10
rest = [{ reason = "元旦", from = 2027-01-01, to = 2027-01-03 }]
work = [{ reason = "元旦调休上班", day = 2027-01-09 }]
"""
OTHER_2026 = NEXT_YEAR.replace("2027", "2026").replace("01-09", "01-10")


def record(**changes: Any) -> dict[str, Any]:
    plain = {"id": "a", "accepted": "2025-03-03", "limit": 5, "unit": "working_day", "suspensions": []}
    return {key: value for key, value in (plain | changes).items() if value is not ...}


def ask(*lines: bytes | dict[str, Any]) -> list[dict[str, Any]]:
    raw = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
    return list(clock.answers(io.BytesIO(raw), shipped()))


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code = cli.main(["clock", *words])
    out, err = capsys.readouterr()
    return code, out, err


def example(line: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The question and the answer expected for one row of the worked examples."""
    case, accepted, limit, suspensions, *dates = line.split()
    count, _, extension = limit.partition("+")
    spans = [] if suspensions == "-" else [span.split("..") for span in suspensions.split(";")]
    asked = record(id=case, accepted=accepted, limit=int(count), suspensions=spans)
    expected = [None if text == "-" else text for text in dates]
    answer = dict(zip(ANSWER, [case, *expected, False], strict=True))
    return asked | ({"extension": int(extension)} if extension else {}), answer


@pytest.mark.req("S0-42", "S0-43", "S3-38")
def test_every_worked_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [example(line) for line in EXAMPLES.read_text("utf-8").splitlines() if not line.startswith("#")]
    text = "".join(json.dumps(asked) + "\n" for asked, _ in rows)
    code, out, err = call(monkeypatch, capsys, text)
    answers = [json.loads(line) for line in out.splitlines()]
    assert answers == [expected for _, expected in rows]
    assert all(list(answer) == ANSWER for answer in answers)
    assert (code, err, len(rows)) == (0, "", 39)


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        (record(accepted="2025-09-02", limit=30, unit="calendar_day"), "2025-10-09"),
        (record(accepted="2025-12-05", limit=30, unit="calendar_day"), "2026-01-04"),
        (record(accepted="2026-01-31", limit=1, unit="month"), "2026-02-28"),
        (
            record(unit="calendar_day", limit=7, suspensions=[["2025-03-04", "2025-03-07"]], extension=9),
            "2025-03-10",
        ),
    ],
)
def test_other_units(asked: dict[str, Any], due: str) -> None:
    assert ask(asked)[0]["due"] == due


def test_no_dates_while_a_suspension_is_open() -> None:
    answer = ask(record(suspensions=[["2025-03-04", None]]))
    assert answer == [dict(zip(ANSWER, ["a", None, None, None, None, False], strict=True))]


def test_a_due_date_in_a_year_without_notice_is_provisional() -> None:
    answer = ask(record(accepted="2026-12-30", limit=2))
    assert answer[0] == dict(
        zip(ANSWER, ["a", "2027-01-01", "2026-12-30", "2027-01-04", "2027-01-05", True], strict=True)
    )


def test_a_calendar_file_makes_it_firm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "2027.toml"
    file.write_text(NEXT_YEAR, "utf-8")
    asked = json.dumps(record(accepted="2026-12-30", limit=2))
    code, out, _ = call(monkeypatch, capsys, asked, "--calendar", str(file))
    assert code == 0
    assert json.loads(out) == dict(
        zip(ANSWER, ["a", "2027-01-04", "2026-12-30", "2027-01-05", "2027-01-06", False], strict=True)
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"year = 2027", "tongban: missing: year.published ("),
        (b"year = ", "tongban: bad_toml: file ("),
        (b"\xff\xfe", "tongban: bad_utf8: not a text file ("),
        (b"#" * 70_000, "tongban: too_long: file ("),
        (OTHER_2026.encode(), "tongban: version_conflict: 2026 version 1 ("),
        (None, "tongban: unreadable: "),
    ],
)
def test_an_unusable_calendar_file_stops_before_the_first_answer(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: bytes | None,
    said: str,
) -> None:
    file = tmp_path / "year.toml"
    if content is not None:
        file.write_bytes(content)
    code, out, err = call(monkeypatch, capsys, json.dumps(record()), "--calendar", str(file))
    assert (code, out) == (1, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "case", "error"),
    [
        (record(accepted=...), "a", "missing: accepted"),
        (record(limit=...), "a", "missing: limit"),
        (record(unit=...), "a", "missing: unit"),
        (record(suspensions=...), "a", "missing: suspensions"),
        (record(id=...), None, "missing: id"),
        (record(id=None), None, "bad_type: id"),
        (record(id=True), None, "bad_type: id"),
        (record(id=["a"]), None, "bad_type: id"),
        (record(id=17, limit="5"), 17, "bad_type: limit"),
        (record(office="x"), "a", "unknown_key: office"),
        (record(**{"期限\n": 1}), "a", "unknown_key: \\u671f\\u9650\\n"),
        (record(accepted="2025-02-29"), "a", "bad_date: accepted"),
        (record(accepted="2025-3-3"), "a", "bad_date: accepted"),
        (record(accepted="20250303"), "a", "bad_date: accepted"),
        (record(accepted="2025-W10-1"), "a", "bad_date: accepted"),
        (record(accepted="2025-03-03T08:00:00"), "a", "bad_date: accepted"),
        (record(accepted="２０２５-03-03"), "a", "bad_date: accepted"),
        (record(accepted="0000-01-01"), "a", "bad_date: accepted"),
        (record(accepted=20250303), "a", "bad_type: accepted"),
        (record(accepted=None), "a", "bad_type: accepted"),
        (record(limit=-1), "a", "negative: limit"),
        (record(limit=True), "a", "bad_type: limit"),
        (record(limit=5.0), "a", "bad_type: limit"),
        (record(limit=3_661), "a", "too_large: limit"),
        (record(limit=10**400), "a", "too_large: limit"),
        (record(extension=-1), "a", "negative: extension"),
        (record(extension="3"), "a", "bad_type: extension"),
        (record(extension=False), "a", "bad_type: extension"),
        (record(limit=3_660, extension=1), "a", "too_large: limit"),
        (record(unit="year"), "a", "bad_value: unit"),
        (record(unit="Working_Day"), "a", "bad_value: unit"),
        (record(unit=1), "a", "bad_type: unit"),
        (record(unit={"a": 1}), "a", "bad_type: unit"),
        (record(suspensions=None), "a", "bad_type: suspensions"),
        (record(suspensions={}), "a", "bad_type: suspensions"),
        (record(suspensions=[["2025-03-04"]]), "a", "bad_type: suspensions[0]"),
        (record(suspensions=["2025-03-04"]), "a", "bad_type: suspensions[0]"),
        (record(suspensions=[["2025-03-04", "x"]]), "a", "bad_date: suspensions[0].to"),
        (record(suspensions=[[None, "2025-03-04"]]), "a", "bad_type: suspensions[0].from"),
        (record(suspensions=[[None, None]]), "a", "bad_type: suspensions[0].from"),
        (
            record(suspensions=[["2025-03-04", "2025-03-05"], ["2025-03-08", "2025-03-07"]]),
            "a",
            "reversed: suspensions[1]",
        ),
        (record(accepted="9999-12-31"), "a", "out_of_range: due"),
        (b'{"id":"a","id":"b"}', None, "duplicate_key: id"),
        (b'{"id":"a","limit":1,"limit":2}', "a", "duplicate_key: limit"),
        (b"{", None, "bad_json: line"),
        (b"[]", None, "bad_type: line"),
        (b'"a"', None, "bad_type: line"),
        (b"null", None, "bad_type: line"),
        (b'{"id":"a"} {"id":"b"}', None, "bad_json: line"),
        (b'{"id":"a","limit":NaN}', None, "bad_json: line"),
        (b'{"id":"a","limit":' + b"9" * 5_000 + b"}", None, "bad_json: line"),
        (b"[" * 100_000, None, "bad_json: line"),
        (b'{"a":' * 50_000, None, "bad_json: line"),
        (b'{"id":"\xc8\xfd"}', None, "bad_utf8: line"),
        (b"\xef\xbb\xbf{}", None, "bad_json: line"),
    ],
)
def test_a_bad_line_is_answered_with_code_and_field(
    line: bytes | dict[str, Any], case: object, error: str
) -> None:
    assert ask(line) == [{"id": case, "error": error}]


def test_bad_lines_do_not_stop_the_good_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"\n  \t\r\n{json.dumps(record())}\r\nnot json\n\n{json.dumps(record(id='办件'))}"
    code, out, err = call(monkeypatch, capsys, text)
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["a", None, "办件"]
    assert (code, err) == (1, "")


def test_nothing_asked_nothing_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, capsys, "\n\n") == (0, "", "")


def test_an_identifier_that_utf8_cannot_write_is_still_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call(monkeypatch, capsys, json.dumps(record(id="\ud800")))
    assert json.loads(out)["id"] == "\ud800"
    assert out.isascii()


@pytest.mark.parametrize(("size", "answered"), [(clock.MAX_LINE, True), (clock.MAX_LINE + 1, False)])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_length_of_a_line_is_bounded(size: int, answered: bool, end: bytes) -> None:
    line = json.dumps(record()).encode().ljust(size)
    found = list(clock.answers(io.BytesIO(line + end), shipped()))
    assert found == (ask(record()) if answered else [{"id": None, "error": "too_long: line"}])


def test_a_huge_line_is_passed_over_once_and_the_next_is_read() -> None:
    found = ask(b"x" * (3 * clock.MAX_LINE + 7), record())
    assert [one.get("error", one["id"]) for one in found] == ["too_long: line", "a"]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.sampled_from([*record(), "extension", "other"]), values)
def test_any_value_of_any_field_gets_one_answer(field: str, value: object) -> None:
    (answer,) = ask(record(**{field: value}))
    assert list(answer) in (ANSWER, ["id", "error"])
    assert "\n" not in str(answer.get("error"))


@given(st.binary(max_size=80).filter(lambda raw: b"\n" not in raw))
def test_any_bytes_get_one_answer_or_none_when_blank(raw: bytes) -> None:
    assert len(ask(raw)) == bool(raw.strip())


def test_answers_come_before_the_input_ends() -> None:
    command = [sys.executable, "-m", "exchange.app.cli", "clock"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(record()).encode() + b"\n")
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        process.stdin.write(b"bad\n")
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(20) == 1
    assert first == dict(
        zip(ANSWER, ["a", "2025-03-10", "2025-03-06", "2025-03-11", "2025-03-12", False], strict=True)
    )
    assert json.loads(rest) == {"id": None, "error": "bad_json: line"}


def test_thirty_thousand_open_cases_in_seconds() -> None:
    lines = [
        record(id=n, accepted=f"2026-{n % 9 + 1:02}-{n % 28 + 1:02}", limit=n % 60) for n in range(30_000)
    ]
    begun = time.perf_counter()
    found = ask(*lines)
    assert len(found) == 30_000
    assert time.perf_counter() - begun < 5  # the clock scan's budget, reading and writing included


def test_help_shows_the_two_line_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["clock", "--help"]) == 0
    shown = capsys.readouterr().out
    assert '"id","accepted","limit","unit","suspensions"' in shown
    assert '"id","due","warning","yellow","red","provisional"' in shown
