"""`tongban party` from the command line: life of a party, refusals in one line, a hub that is writing."""

import json
import subprocess
import sys
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest

from exchange.app import opening
from exchange.app.settings import Settings
from exchange.seals.keys import key_id
from ledger.log import Draft

ROOT = Path(__file__).resolve().parents[2]
Tongban = Callable[..., Any]


def add(tongban: Tongban, certificate: str, *more: str, name: str = "bureau-a") -> Any:
    return tongban("party", "add", name, "--certificate", certificate, *more)


def test_add_list_rotate_remove(tongban: Tongban, party_keys: Any) -> None:
    first, second = party_keys.ec(), party_keys.rsa()
    done = add(tongban, party_keys.file(first), "--inbox", "http://127.0.0.1:9/in", "--takes", "case.step.v1")
    assert (done.code, done.err) == (0, "")
    assert tongban("party", "certificate", "bureau-a", party_keys.file(second)).code == 0
    assert tongban("party", "certificate", "bureau-a", "--retire", key_id(first.certificate)).code == 0
    assert tongban("party", "change", "bureau-a", "--account", "appId=7", "--sends", "case.step.v1").code == 0
    (listed,) = json.loads(tongban("party", "list", "--json").out)
    assert listed == {
        "name": "bureau-a", "adapter": "house", "org": None, "address": "http://127.0.0.1:9/in",
        "account": {"appId": "7"}, "sends": ["case.step.v1"], "takes": ["case.step.v1"],
        "certificates": [
            {
                "key_id": key_id(second.certificate),
                "valid_to": second.certificate.not_valid_after_utc.date().isoformat(),
            }
        ],
    }  # fmt: skip
    assert "bureau-a" in tongban("party", "list").out
    assert tongban("party", "remove", "bureau-a").code == 0
    assert tongban("party", "list", "--json").out == "[]\n"
    assert tongban("ledger", "verify").code == 0


def test_an_adapters_party(tongban: Tongban, party_keys: Any) -> None:
    certificate = party_keys.file(party_keys.rsa())
    words = ["--adapter", "fees", "--address", "http://127.0.0.1:9"]
    incomplete = add(tongban, certificate, *words)
    assert incomplete.code == 1
    assert "account" in incomplete.err
    done = add(tongban, certificate, *words, "--account", "account=mz")
    assert done.code == 0, done.err
    (listed,) = json.loads(tongban("party", "list", "--json").out)
    assert (listed["adapter"], listed["sends"]) == ("fees", [])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["add", "Bad Name", "--certificate", "CERT"], "bad_value"),
        (["add", "hub", "--certificate", "CERT"], "bad_value"),
        (["add", "bureau-b", "--certificate", "CERT", "--adapter", "nobody"], "unknown_adapter"),
        (["add", "bureau-b", "--certificate", "CERT", "--sends", "case.unheard.v1"], "unknown_type"),
        (["add", "bureau-b", "--certificate", "OLD"], "certificate_invalid"),
        (["add", "bureau-b", "--certificate", "KEY"], "certificate_invalid"),
        (["add", "bureau-b", "--certificate", "nowhere.pem"], "file_unusable"),
        (["add", "bureau-b", "--certificate", "/"], "file_unusable"),
        (["remove", "nobody"], "unknown_party"),
        (["change", "nobody", "--org", "1"], "unknown_party"),
        (["certificate", "nobody", "CERT"], "unknown_party"),
        (["list"], "no_store"),
    ],
)
def test_refusals_are_one_coded_line(
    tongban: Tongban, party_keys: Any, tmp_path: Path, words: list[str], code: str
) -> None:
    (tmp_path / "noise").write_bytes(b"\x00\xff" * 100)
    files = {"CERT": party_keys.file(party_keys.ec()), "KEY": str(tmp_path / "noise")}
    files["OLD"] = party_keys.file(party_keys.ec(days=(-9, -1)))
    said = tongban("party", *[files.get(word, word) for word in words])
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"tongban: {code}: ") and said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [], ["add"], ["add", "x1"], ["certificate", "x1"], ["certificate", "x1", "f", "--retire", "k"],
        ["add", "x1", "--certificate", "f", "--address", "http://a", "--inbox", "http://b"],
        ["add", "x1", "--certificate", "f", "--account", "novalue"], ["hub-certificates"],
    ],
)  # fmt: skip
def test_wrong_calls_exit_2(tongban: Tongban, words: list[str]) -> None:
    said = tongban("party", *words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)


def test_the_hubs_certificates(tongban: Tongban, settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "for" / "partners"
    said = tongban("party", "hub-certificates", str(folder))
    assert said.code == 0, said.err
    assert (folder / "hub-ec.pem").read_bytes() == settings.ec_certificate.read_bytes()
    assert (folder / "hub-rsa.pem").read_bytes() == settings.rsa_certificate.read_bytes()
    assert key_id(opening.rsa_key(settings).certificate) in said.out


def test_parties_join_while_the_hub_writes(settings: Settings, tongban: Tongban, party_keys: Any) -> None:
    """Three processes at once over one store that this process has open; the ledger stays whole."""
    store = opening.open_store(settings)
    base = [sys.executable, "-m", "exchange.app.cli", "party", "add"]
    environ = {"PYTHONPATH": str(ROOT), "TONGBAN_STATE": str(settings.state), "PATH": ""}
    running = [
        subprocess.Popen(
            [*base, f"bureau-{n}", "--certificate", party_keys.file(party_keys.ec())], env=environ
        )
        for n in range(3)
    ]
    for number in range(20):
        store.write(methodcaller("append", Draft("x.done", f"x-{number}", "hub", "hub", "test")))
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(json.loads(tongban("party", "list", "--json").out)) == 3
    verified = tongban("ledger", "verify")
    assert (verified.code, "23 entries" in verified.out) == (0, True), verified.out
