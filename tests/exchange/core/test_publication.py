"""The items in force as anybody reads them: one sealed list, a stream in which a gap shows."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from exchange.app import publication
from exchange.app.gate import problem
from exchange.seals import jws
from exchange.seals.keys import key_id
from tests.exchange.core.rig import NAME, Core, Story, service_item

ROOT = Path(__file__).resolve().parents[3]
PATH = "/api/v1/publication/items"
CODES = [f"1144140200720810054442025{number:06d}" for number in range(1, 6)]


@pytest.fixture
def url(core: Core) -> Iterator[str]:
    app = FastAPI()
    publication.mount(app, core.hub, problem)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def filled(core: Core) -> Core:
    """The two items every hub of these tests has, five more, then one new version and one withdrawal."""
    core.catalogue(*(service_item(code) for code in CODES), to=2)
    core.catalogue(
        service_item(CODES[0], 2),
        to=3,
        gone=[{"row_id": service_item(CODES[1])["row_id"], "code": CODES[1], "version": 1}],
    )
    return core


def get(url: str, query: str = "", **headers: str) -> httpx2.Response:
    with httpx2.Client(trust_env=False) as client:
        return client.get(url + PATH + query, headers=headers)


def followed(core: Core, url: str, *known: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(ROOT / "docs/clients/publication.py"),
        url,
        str(core.settings.ec_certificate),
    ]
    return subprocess.run([*command, *known], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.req("S3-16")
def test_the_whole_list_in_parts_is_what_is_in_force(filled: Core, url: str) -> None:
    found, after = [], ""
    while True:
        said = get(url, f"?limit=2&after={after}").json()
        found += said["items"]
        if (after := said.get("next", "")) == "":
            break
    assert [one["code"] for one in found] == sorted(one["code"] for one in found)
    versions = {one["code"]: one["version"] for one in found}
    assert {code: versions.get(code) for code in CODES} == {
        CODES[0]: 2,
        CODES[1]: None,
        **dict.fromkeys(CODES[2:], 1),
    }
    assert said["newest"] == 9


def test_every_answer_bears_the_seal_of_the_hub_and_the_readers_nonce(filled: Core, url: str) -> None:
    held = filled.hub.ec_key.certificate
    for query in ("", "/changes?since=3", f"/{CODES[0]}", f"/{CODES[0]}?version=1"):
        answer = get(url, query, **{"X-Request-Nonce": "n" * 24})
        seal = answer.headers[jws.HEADER_NAME]
        keyring = {key_id(held): held}.get
        jws.verify_answer(seal, answer.content, keyring, status=200, req="n" * 24, now=datetime.now(UTC))
    assert get(url, f"/{CODES[0]}?version=1").json()["version"] == 1
    assert get(url, f"/{CODES[0]}").json() == {
        **service_item(CODES[0], 2),
        "handling_forms": [],
        "materials": [],
        "fees": [],
    }


def test_a_known_list_is_not_sent_again(filled: Core, url: str) -> None:
    tag = get(url).headers["ETag"]
    assert tag == '"9"'
    same = get(url, **{"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    filled.catalogue(service_item(CODES[2], 2), to=4)
    assert get(url, **{"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["?limit=0", "?limit=1001", "?limit=x", "/changes?since=-1", "/changes?limit=", f"?after={'1' * 32}"],
)
def test_a_wrong_question_is_refused(filled: Core, url: str, query: str) -> None:
    assert (get(url, query).status_code, get(url, query).json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("query", ["/changes?since=10", "/nothing", f"/{CODES[1]}"])
def test_what_is_not_there_is_said_so(filled: Core, url: str, query: str) -> None:
    assert (get(url, query).status_code, get(url, query).json()["code"]) == (404, "not_found")


@pytest.mark.req("S3-16")
def test_the_client_follows_from_where_it_was(filled: Core, url: str) -> None:
    first = followed(filled, url)
    assert (first.returncode, first.stdout.split()[0]) == (0, "9"), first.stderr
    filled.catalogue(service_item(CODES[2], 2), to=4)
    second = followed(filled, url, *first.stdout.split())
    assert (second.returncode, second.stdout) == (0, followed(filled, url).stdout)
    assert second.stdout.split()[0] == "10"


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM catalogue_change WHERE number = 4",
        "UPDATE catalogue_change SET code = '{other}' WHERE number = 4",
        "UPDATE catalogue_change SET version = 7 WHERE number = 4",
        "UPDATE catalogue_change SET content = 1 WHERE number = 4",
        "UPDATE catalogue_change SET hash = zeroblob(32) WHERE number = 4",
        "UPDATE catalogue_change SET changed_at = '2020-01-01T00:00:00+08:00' WHERE number = 4",
    ],
)
def test_a_change_left_out_or_altered_shows(filled: Core, url: str, harm: str) -> None:
    with filled.hub.store.engine.connect() as connection:
        connection.exec_driver_sql(harm.format(other=CODES[4]))
        connection.commit()
    assert followed(filled, url).returncode != 0


def test_nothing_personal_is_published(filled: Core, url: str, story: Story) -> None:
    filled.ok("hall", "case.applied.v1", story.applied())
    text = get(url).text + get(url, "/changes").text
    assert NAME not in text
    assert json.loads(get(url, "/changes").text)["changes"][0].keys() <= {
        "number", "previous", "hash", "operation", "code", "version", "item", "changed_at",
    }  # fmt: skip
