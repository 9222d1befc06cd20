"""To-dos of another application system beside ours: by its own program, through the port."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from hallservice.hall import Hall
from hallservice.othertodos import Beside, HttpTodos, OtherList, OtherTodosAway, Shown
from tests.hallservice.web.webrig import Visitor, mounted, served, until

CONFIG = """
name = "oa"
port = 0
state = "state"
key = "key.pem"
certificate = "certificate.pem"
hub_url = "http://127.0.0.1:9"
secret = "a-secret-of-this-test"
account = "hall"
seed = 7
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the mock listens."""
    folder = tmp_path_factory.mktemp("oa")
    (folder / "oa.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "mocks.partners.othertodos", "--config", str(folder / "oa.toml")]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as program:
        assert program.stdout
        yield program.stdout.readline().split()[2]
        program.terminate()


def test_what_another_system_wants_done_is_shown_and_its_absence_is_said(system: str) -> None:
    oa = HttpTodos("协同办公", f"{system}/todos", "a-secret-of-this-test")
    found = oa.of("S-clerk")
    assert found.total == len(found.todos) > 0
    assert [todo.due for todo in found.todos] == sorted(todo.due for todo in found.todos)
    assert all(todo.url.startswith(system) for todo in found.todos)
    assert oa.of("S-clerk") == found
    now = [0.0]
    beside = Beside([oa], lambda: now[0])
    assert beside.of("S-clerk") == [Shown("协同办公", None, False)]  # no page waits for it
    until(lambda: beside.of("S-clerk") == [Shown("协同办公", found, False)])
    httpx2.post(f"{system}/admin/away", content=b'{"away": true}')
    with pytest.raises(OtherTodosAway):
        oa.of("S-clerk")
    now[0] += 61
    until(lambda: beside.of("S-clerk") == [Shown("协同办公", None, True)])
    httpx2.post(f"{system}/admin/away", content=b'{"away": false}')
    now[0] += 31
    until(lambda: beside.of("S-clerk") == [Shown("协同办公", found, False)])
    with pytest.raises(OtherTodosAway):
        HttpTodos("协同办公", f"{system}/todos", "wrong").of("S-clerk")


def reading(visitor: Visitor) -> str:
    """The workbench, once it has heard of the other system."""
    text = visitor.get("/hall/").text
    return text if "协同办公（" in text else ""


@pytest.mark.req("S0-69")
def test_the_workbench_shows_them_beside_ours(hall: Hall, system: str) -> None:
    oa = HttpTodos("协同办公", f"{system}/todos", "a-secret-of-this-test")
    away = HttpTodos("信访系统", f"{system}/nowhere", "a-secret-of-this-test")
    found = oa.of("S-clerk")
    with served(mounted(hall, others=[oa, away])) as place:
        visitor = place.visitor().sign_in("clerk")
        shown = until(lambda: reading(visitor))
        until(lambda: "暂时无法取得“信访系统”的待办" in visitor.get("/hall/").text)
    assert f"协同办公（{found.total}）" in shown and 'data-count="acts"' in shown
    for todo in found.todos:
        assert f'<a href="{todo.url}" target="_blank" rel="noopener">{todo.title}（新窗口）</a>' in shown


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        {"total": 1, "todos": [{"title": "x", "url": "javascript:alert(1)"}]},
        {"total": 1, "todos": [{"title": "x", "url": "https://evil.example/"}]},
        {"total": "many", "todos": []},
        {"total": 1, "todos": [7]},
    ],
)
def test_an_answer_that_is_not_as_agreed_is_none(told: object) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=json.dumps(told).encode())

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        response = client.get("http://oa.example/todos")
        with pytest.raises(OtherTodosAway):
            HttpTodos("协同办公", "http://oa.example/todos").read(response)


def test_most_of_a_long_list_is_counted() -> None:
    todos = [{"title": f"{n}", "url": "http://oa.example/1", "due": None} for n in range(80)]
    response = httpx2.Response(200, content=json.dumps({"total": 80, "todos": todos}).encode())
    found = HttpTodos("协同办公", "http://oa.example/todos").read(response)
    assert isinstance(found, OtherList) and (found.total, len(found.todos)) == (80, 50)
