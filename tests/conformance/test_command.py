"""`tongban check` as an engineer runs it: exit codes, the three report files, what they show and hide."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from lxml import etree

from exchange.app.cli import main
from exchange.app.commands import check
from mocks.conformance.plan import plan
from mocks.conformance.run import chosen
from tests.conformance.partners import ACCOUNT, SECRET, Mock

VOID = {"meta", "br"}
KEYS = {"id", "expectation", "result", "sent", "received"}


class Balanced(HTMLParser):
    """Ends with an error on any tag that is not closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_STATE", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    mock = Mock("sms", tmp_path_factory.mktemp("sms"))
    mock.listener.close()
    yield mock
    mock.close()


def online(sms: Mock, *more: str) -> list[str]:
    return [
        "check", str(sms.adapter), "--against", sms.url, "--work", str(sms.folder), "--listen",
        str(sms.listener.port), "--partner-certificate", str(sms.folder / "keys" / "cert.pem"),
        "--secret", SECRET, "--account", ACCOUNT, "--time-scale", "0.02", *more,
    ]  # fmt: skip


def test_offline_run_conforms_and_writes_its_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"r.{name}" for name in ("json", "html", "junit")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    assert main(["check", "sms", "--documents", "5", *options]) == 0
    assert "符合契约 conforming" in capsys.readouterr().out
    report = json.loads(files["json"].read_text("utf-8"))
    assert (report["adapter"], report["against"], report["failed"]) == ("sms", "", 0)
    assert report["passed"] + report["not_offered"] == len(report["checks"]) > 50
    assert all(one.keys() >= KEYS for one in report["checks"])
    suites = etree.parse(files["junit"]).getroot()
    assert (suites.tag, int(suites.get("tests")), suites.get("failures")) == (
        "testsuites",
        len(report["checks"]),
        "0",
    )
    assert sum(int(one.get("tests")) for one in suites) == len(report["checks"])


def test_online_run_tells_what_was_sent_and_hides_what_nobody_may_read(sms: Mock, tmp_path: Path) -> None:
    files = {name: tmp_path / f"r.{name}" for name in ("json", "html", "junit")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    assert main([*online(sms, "--only", "PRB*", "ACC*", "SEAL-flipped", "CBK-report-comes"), *options]) == 0
    report = json.loads(files["json"].read_text("utf-8"))
    assert report["against"] == sms.url
    (flipped,) = [one for one in report["checks"] if one["id"] == "SEAL-flipped"]
    assert "POST /sms/v1/submit" in flipped["sent"]
    assert "HTTP 401" in flipped["received"]
    html = files["html"].read_text("utf-8")
    for text in (html, files["json"].read_text("utf-8"), files["junit"].read_text("utf-8")):
        assert SECRET not in text
        assert "13800138000" not in text
        assert not re.search(r'"mac\\?": ?\\?"[0-9a-f]{32}', text)


def test_html_is_one_whole_file(sms: Mock, tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    main([*online(sms, "--only", "PRB*", "HOS-nan"), "--html", str(file)])
    text = file.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert '<html lang="zh-CN">' in text
    page = Balanced()
    page.feed(text)
    page.close()
    assert page.open == []
    assert all(link.startswith("#") for link in page.links)
    assert "@media print" in text
    assert "url(" not in text
    assert text.index("契约符合性测试报告") < text.index("Conformance report")


def test_failure_is_exit_1_and_named_everywhere(
    sms: Mock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [word if word != SECRET else "another-secret" for word in online(sms)]
    files = {name: tmp_path / f"r.{name}" for name in ("json", "html", "junit")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    assert main([*wrong, "--only", "ACC-submit", *options]) == 1
    said = capsys.readouterr().out
    assert "NOT conforming" in said
    assert "✗ ACC-submit" in said
    assert json.loads(files["json"].read_text("utf-8"))["failed"] == 1
    (failure,) = etree.parse(files["junit"]).getroot().iter("failure")
    assert '"code":2' in failure.text
    assert 'class="bad" open' in files["html"].read_text("utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["check", "no-such-adapter"],
        ["check", "sms", "--against", "http://127.0.0.1:9"],
        ["check", "sms", "--time-scale", "0"],
    ],
)
def test_wrong_questions_are_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err


def test_list_names_every_check_without_running_one(sms: Mock, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(online(sms, "--list")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{len(lines) - 1} checks"
    assert len({line.split("\t")[0] for line in lines[:-1]}) == len(lines) - 1 >= 120


def test_prepare_makes_the_hubs_certificates_once(tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert main(["check", "--prepare", "--work", str(work)]) == 0
    first = (work / "hub-ec.pem").read_bytes()
    assert main(["check", "--prepare", "--work", str(work)]) == 0
    assert (work / "hub-ec.pem").read_bytes() == first
    assert (work / "hub-rsa.pem").is_file()
    assert (work / "hub-ec.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("adapter", "more", "option"),
    [
        ("department_c", (), "--cipher"),
        ("department_c", ("--cipher", "00" * 16, "--account", ""), "--account"),
        ("provincial_catalogue", (), "--set region="),
    ],
)
def test_option_an_adapter_cannot_do_without_is_named(
    sms: Mock, capsys: pytest.CaptureFixture[str], adapter: str, more: tuple[str, ...], option: str
) -> None:
    assert main([word if word != str(sms.adapter) else adapter for word in online(sms, *more)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert option in line


def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run is the probes alone."""
    monkeypatch.setattr(check, "plan", lambda bench: chosen(plan(bench), ["PRB*"]))


def test_recorded_verdict_is_listed(
    sms: Mock, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short(monkeypatch)
    assert main(online(sms, "--record")) == 0
    assert "certificate valid 90 days" in capsys.readouterr().out
    assert main(["check", "--certificates", "--json", str(tmp_path / "c.json")]) == 0
    assert re.search(r"^sms +valid +4 +0 ", capsys.readouterr().out, re.MULTILINE)
    (one,) = json.loads((tmp_path / "c.json").read_text("utf-8"))
    assert (one["adapter"], one["state"], one["statement"].count(".")) == ("sms", "valid", 2)
    assert main(["check", "--channels"]) == 0
    assert main(["ledger", "verify"]) == 0


def test_part_of_the_checks_is_no_verdict(
    sms: Mock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(online(sms, "--only", "PRB*", "--json", str(tmp_path / "r.json"))) == 0
    assert "只做了部分检查" in capsys.readouterr().out
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (report["outcome"], report["conforming"]) == ("part", False)
    assert main(online(sms, "--only", "PRB*", "--record")) == 2
    assert "--only" in capsys.readouterr().err
    assert not (tmp_path / "state" / "hub.db").exists()


def test_run_cut_off_by_its_budget_is_incomplete_and_never_recorded(
    sms: Mock, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short(monkeypatch)
    files = {name: tmp_path / f"r.{name}" for name in ("json", "html")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    assert main([*online(sms, "--budget", "0", "--record"), *options]) == 1
    told = capsys.readouterr()
    assert "INCOMPLETE" in told.out
    assert "run_incomplete" in told.err
    report = json.loads(files["json"].read_text("utf-8"))
    assert (report["outcome"], report["conforming"]) == ("incomplete", False)
    assert report["left_out"] == len(report["checks"]) == 4
    html = files["html"].read_text("utf-8")
    assert "INCOMPLETE" in html
    assert 'class="verdict ok"' not in html
    assert not (tmp_path / "state" / "hub.db").exists()


def test_partner_that_is_away_is_no_crash(sms: Mock, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        word if word != sms.url else "http://127.0.0.1:9" for word in online(sms, "--only", "ACC*", "HOS-nan")
    ]
    assert main(words) == 1
    assert "没有回答" in capsys.readouterr().out
