"""`tongban ledger` as an auditor uses it: exit codes, lines, the key that is not taken from the suspect."""

import argparse
import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from exchange.app.commands import ledger as command
from exchange.app.settings import load_settings
from ledger.keys import load
from ledger.log import Draft, Log, metadata

Run = tuple[int, str, str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TONGBAN_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TONGBAN_DATABASE_URL", raising=False)

    def asked(*arguments: object) -> Run:
        parser = argparse.ArgumentParser(prog="tongban ledger")
        command.configure(parser)
        code = command.run(parser.parse_args([str(argument) for argument in arguments]))
        out, err = capsys.readouterr()
        return code, out, err

    return asked


def fill(entries: int) -> None:
    settings = load_settings()
    engine = create_engine(settings.database_url)
    metadata.create_all(engine)
    signer = load(settings.ledger_key)
    with engine.begin() as connection:
        batch = Log(signer.name, signer).begin(connection, 1_795_299_398_000)
        for number in range(entries):
            batch.append(Draft("k", f"x-{number}", "a", "b", "s/1"))
        batch.close()
    engine.dispose()


@pytest.fixture
def exported(run, tmp_path: Path) -> Path:
    assert run("key", "--create")[0] == 0
    fill(300)
    assert run("export", tmp_path / "out")[0] == 0
    (tmp_path / "log.vkey").write_text(run("key")[1])
    return tmp_path / "out"


def test_key_prints_the_verifier_key_and_replaces_none(run) -> None:
    code, line, _ = run("key", "--create")
    assert code == 0 and line.startswith(load_settings().ledger_origin + "+")
    assert run("key") == (0, line, "")
    code, out, err = run("key", "--create")
    assert (code, out) == (3, "") and "key_exists" in err and err.count("\n") == 1


def test_a_whole_log(run, exported: Path, tmp_path: Path) -> None:
    for arguments in ((), (exported,), (exported, "--key", tmp_path / "log.vkey")):
        code, out, err = run("verify", *arguments)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0].startswith("whole") and lines[1].startswith("size 300, root ")
        assert lines[2].startswith("300 entries read in ")


def test_tampered_and_incomplete_say_where(run, exported: Path) -> None:
    bundle = exported / "tile/entries/000"
    good = bundle.read_bytes()
    bundle.write_bytes(good.replace(b'"xid":"x-7"', b'"xid":"y-7"'))
    code, out, _ = run("verify", exported)
    assert code == 1 and "tampered: entry 7: " in out and "1 findings" in out
    bundle.unlink()
    code, out, _ = run("verify", exported)
    assert code == 2 and "incomplete: tile/entries/000: bundle 0 is missing" in out
    (exported / "tile/0/000").write_bytes(bytes(8192))
    assert run("verify", exported)[0] == 1


def test_json(run, exported: Path) -> None:
    (exported / "tile/0/001.p/44").unlink()
    code, out, _ = run("verify", exported, "--json")
    told = json.loads(out)
    assert (code, told["status"], told["size"], told["entries"]) == (2, "incomplete", 300, 300)
    assert told["findings"] == [
        {"rule": "missing", "where": "tile/0/001.p/44", "message": "tile of level 0, number 1 is missing"}
    ]


def test_a_saved_checkpoint(run, exported: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.write_bytes((exported / "checkpoint").read_bytes())
    fill(5)
    assert run("export", exported)[1].startswith("exported 305 entries")
    assert run("verify", exported, "--saved", saved)[0] == 0
    saved.write_bytes(b"nonsense")
    assert run("verify", exported, "--saved", saved)[0] == 3


def test_wrong_questions_end_in_one_line_and_code_3(run, exported: Path, tmp_path: Path) -> None:
    inside = exported / "log.vkey"
    inside.write_bytes((tmp_path / "log.vkey").read_bytes())
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"\xff\xfe")
    for arguments in (
        ("verify", exported, "--key", inside),
        ("verify", exported, "--key", wrong),
        ("verify", exported, "--key", tmp_path / "none"),
        ("verify", exported, "--saved", tmp_path / "none"),
        ("verify", tmp_path / "none"),
        ("export", exported / "checkpoint"),
        ("export", exported),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (3, ""), arguments
        assert err.startswith("tongban ledger: ") and err.count("\n") == 1


def test_without_key_or_store_nothing_is_made(run, tmp_path: Path) -> None:
    for arguments in (("verify",), ("export", tmp_path / "out"), ("key",), ("verify", tmp_path)):
        assert run(*arguments)[0] == 3
    run("key", "--create")
    assert run("verify")[0] == 3
    assert not (tmp_path / "state" / "hub.db").exists()


def test_a_live_store_that_was_tampered_with(run, exported: Path) -> None:
    engine = create_engine(load_settings().database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_entry SET leaf_hash = zeroblob(32) WHERE seq = 3")
    engine.dispose()
    code, out, _ = run("verify")
    assert code == 1 and "tampered: entry 3: its stored hash was altered" in out
