"""The clients of docs/clients against a running hub; the commands of docs/wire.md as they are written."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from lxml import etree

from canonical.messages import PAYLOADS
from exchange.app.rabbit import RabbitNode
from tests.wire.rig import ROOT, TONGBAN, Hub, Identity, application, identity

CLIENTS = ROOT / "docs" / "clients"
INVENTED = CLIENTS / "case_documents.py"  # makes documents to send; no client
WIRE = ROOT / "docs" / "wire.md"


def ran(
    hub: Hub, who: Identity, client: str, address: str, document: Path, certificate: str
) -> tuple[int, str, str]:
    """(exit code, output, error output) of one client."""
    key = hub.state / "ledger.vkey"
    key.write_text(hub.tongban("ledger", "key"))
    own = [str(file) for file in who.files(hub.state)]
    trusted = str(hub.state / "keys" / f"hub-{certificate}.pem")
    command = [sys.executable, str(CLIENTS / client), address, *own, trusted, str(document), str(key)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def said(folder: Path, who: Identity, **payload: object) -> Path:
    """A document file with an application of this party."""
    value = application(who.name, payload=payload)
    file = folder / f"{value['message_id']}.json"
    file.write_text(
        json.dumps({name: value[name] for name in ("type", "sender", "payload")}, ensure_ascii=False)
    )
    return file


@pytest.fixture(params=["window", "bureau"], ids=["P-256", "RSA"])
def who(request: pytest.FixtureRequest) -> Identity:
    found: Identity = request.getfixturevalue(request.param)
    return found


JSON_CLIENTS = [("rest.py", "ec"), ("soap.py", "rsa"), ("amqp_database.py", "ec")]


@pytest.mark.parametrize(("client", "certificate"), JSON_CLIENTS)
def test_a_client_has_its_receipt(
    hub: Hub, who: Identity, tmp_path: Path, client: str, certificate: str
) -> None:
    address = str(hub.state / "queue.db") if "amqp" in client else hub.url
    code, out, err = ran(hub, who, client, address, said(tmp_path, who), certificate)
    assert code == 0, err
    receipt = json.loads(out)
    assert (receipt["status"], receipt["code"], receipt["sender"]) == ("accepted", "ok", who.name)
    assert hub.rows("SELECT state FROM document WHERE entry = ?", receipt["ledger"]["entry"]) == [
        ("accepted",)
    ]


def test_the_xml_client_has_its_receipt(hub: Hub, who: Identity, tmp_path: Path) -> None:
    code, out, err = ran(hub, who, "rest_xml.py", hub.url, said(tmp_path, who), "rsa")
    assert code == 0, err
    receipt = etree.fromstring(out)
    assert receipt.findtext("{*}status") == "accepted"
    entry = int(receipt.findtext("{*}ledger/{*}entry"))
    assert hub.rows("SELECT state FROM document WHERE entry = ?", entry) == [("accepted",)]


def test_the_rabbitmq_client_has_its_receipt(
    rabbit_hub: Hub, rabbit: RabbitNode, who: Identity, tmp_path: Path
) -> None:
    code, out, err = ran(rabbit_hub, who, "amqp.py", rabbit.url, said(tmp_path, who), "ec")
    assert code == 0, err
    assert json.loads(out)["status"] == "accepted"


CLIENTS_OF = [("rest.py", "ec"), ("rest_xml.py", "rsa"), ("soap.py", "rsa"), ("amqp_database.py", "ec")]


@pytest.mark.parametrize(("client", "certificate"), CLIENTS_OF)
def test_a_refusal_is_checked_and_shown(
    hub: Hub, window: Identity, tmp_path: Path, client: str, certificate: str
) -> None:
    address = str(hub.state / "queue.db") if "amqp" in client else hub.url
    document = said(tmp_path, window, channel="telepathy")
    code, out, err = ran(hub, window, client, address, document, certificate)
    assert code == 1, err
    assert "unknown_code" in out
    assert "payload/channel" in out


@pytest.mark.parametrize(("client", "certificate"), CLIENTS_OF)
def test_a_client_trusts_no_other_hub(
    hub: Hub, window: Identity, tmp_path: Path, client: str, certificate: str
) -> None:
    """With another certificate or another log key than the hub's, the receipt is not taken."""
    address = str(hub.state / "queue.db") if "amqp" in client else hub.url
    other = identity("hub", "rsa" if certificate == "rsa" else "ec").files(tmp_path)[1]
    own = [str(file) for file in window.files(tmp_path)]
    key, wrong = tmp_path / "right.vkey", tmp_path / "wrong.vkey"
    key.write_text(hub.tongban("ledger", "key"))
    name, number, public = key.read_text().strip().split("+", 2)
    wrong.write_text(f"{name}+{number}+{public[:10]}{'A' if public[10] != 'A' else 'B'}{public[11:]}")
    right = str(hub.state / "keys" / f"hub-{certificate}.pem")
    for trusted, log_key in ((str(other), key), (right, wrong)):
        rest = [*own, trusted, str(said(tmp_path, window)), str(log_key)]
        command = [sys.executable, str(CLIENTS / client), address, *rest]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "accepted" not in done.stdout


def test_each_client_is_short_and_none_of_ours() -> None:
    ours = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()}
    assert "exchange" in ours
    for file in CLIENTS.glob("*.py"):
        text = file.read_text()
        assert len(text.splitlines()) <= 40 or file == INVENTED, file.name
        assert not set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)) & ours, file.name


def test_an_invented_case_is_one_a_department_may_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CLIENTS))
    makes = importlib.import_module("case_documents")
    limit = {"count": 20, "unit": "working_day"}
    item = {
        "code": "11441402XX0209402D4440709231000", "region": "441402000000", "name": "居民身份证补领",
        "organisation": "梅江区公安局", "organisation_code": "11441402XX0209402D",
        "statutory_limit": limit, "promised_limit": limit,
    }  # fmt: skip
    made = makes.documents(item, datetime(2026, 3, 2, 9, tzinfo=makes.BEIJING))
    read = {name: PAYLOADS[f"case.{name}.v1"].model_validate(payload) for name, payload in made.items()}
    assert set(read) == {"applied", "accepted"}
    assert len({one["case_no"] for one in made.values()}) == 1


def test_the_page_s_commands_work_as_written(hub_folder: Hub) -> None:
    section = WIRE.read_text("utf-8").partition("## 9. Try it")[2]
    serve, *blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert serve == "tongban serve\n"  # what the fixture runs
    *commands, rabbit = blocks
    assert "$TONGBAN_AMQP_URL" in rabbit  # the test above runs this client
    script = "set -eu\n" + "".join(commands).replace("http://127.0.0.1:8750", hub_folder.url)
    folder = hub_folder.state.parent
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=shimmed(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"status": "accepted"') == 3
    assert done.stdout.count("<status>accepted</status>") == 1


@pytest.fixture
def hub_folder(tmp_path: Path) -> Iterator[Hub]:
    """A hub started from nothing, in a folder as a user has it: docs/ beside var/."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    hub = Hub(tmp_path / "var").start()
    yield hub
    assert hub.terminate() == 0


def shimmed(folder: Path) -> dict[str, str]:
    """PATH with `tongban` and `python` of this environment."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for name, line in (("tongban", f'-c "{TONGBAN}"'), ("python", "")):
        (bin_ / name).write_text(f'#!/bin/sh\nexec {sys.executable} {line} "$@"\n')
        (bin_ / name).chmod(0o755)
    environment = Hub(folder / "var").environment
    del environment["TONGBAN_STATE"]
    return environment | {"PATH": f"{bin_}:{environment['PATH']}"}
