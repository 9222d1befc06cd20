"""`tongban init`: a site of one's own begins with one administrator and nobody else."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exchange.app.cli import main
from exchange.app.halls import open_hall
from exchange.app.opening import open_store
from exchange.app.serving import build_hub
from exchange.app.settings import load_settings
from hallservice.people import policies, sessions, signin
from hallservice.people import tables as t
from hallservice.refusals import HallRefused


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    found = re.search(r"login +(\S+)\npassword +(\S+) ", capsys.readouterr().out)
    assert found
    return found[1], found[2]


def test_a_site_begins_with_one_administrator_and_a_one_time_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TONGBAN_STATE", str(tmp_path))
    assert main(["init"]) == 0
    login, first = told(capsys)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as db:
        assert db.execute("SELECT login, must_change FROM hall_user").fetchall() == [("admin", 1)]
    assert main(["init", "--login", "another"]) != 0 and "set_up_already" in capsys.readouterr().err
    assert main(["init"]) == 0
    _, second = told(capsys)
    assert login == "admin" and first != second and len(second) == 12
    kept = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert kept and not any(word.encode() in each for each in kept for word in (first, second))
    settings = load_settings()
    store = open_store(settings)
    hall = open_hall(settings, build_hub(settings, store))
    people = hall.read(lambda connection: connection.execute(t.user.select()).all())
    assert [(one.login, one.must_change) for one in people] == [("admin", True)]
    assert not policies.outside(hall.settings)  # what is shipped keeps to the bounds
    with pytest.raises(HallRefused):
        signin.sign_in(hall, login, first, "")
    signed = sessions.find(hall, signin.sign_in(hall, login, second, "").token)
    assert signed is not None and signed.must_change and not signed.clerk.scopes
    store.engine.dispose()
