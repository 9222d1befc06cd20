"""The private PostgreSQL server: it takes logins, keeps its data, and never outlives whoever started it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from exchange.app.postgres import PostgresNode, find_server

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(find_server() is None, reason="PostgreSQL is not installed"),
    pytest.mark.postgres,
]


def login(node: PostgresNode, password: str | None = None) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1",
        port=node.port,
        user=node.user,
        password=node.password if password is None else password,
        dbname="postgres",
        connect_timeout=5,
    )


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def listening(pid: int) -> set[str]:
    """Local addresses (hex) a process listens on, from the kernel's own tables."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.add(words[1].partition(":")[0])
    return found


def test_the_shared_server_takes_the_password_and_nothing_else(postgres: PostgresNode) -> None:
    with login(postgres) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (postgres.user,)
    for wrong in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError):
            login(postgres, wrong)


def test_it_listens_on_the_loopback_address_alone(postgres: PostgresNode) -> None:
    pid = postgres.server_pid()
    assert pid is not None
    assert listening(pid) == {"0100007F"}  # 127.0.0.1
    assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_the_password_is_only_its_owners(postgres: PostgresNode) -> None:
    assert (postgres.state / "password").stat().st_mode & 0o077 == 0
    assert postgres.password not in postgres.address("partner")
    command = Path(f"/proc/{postgres.server_pid()}/cmdline").read_bytes()
    assert postgres.password.encode() not in command
    assert [one for one in postgres.state.rglob("first-password")] == []


def test_its_data_outlive_a_restart_and_a_power_cut(tmp_path: Path) -> None:
    node = PostgresNode(tmp_path / "node")
    try:
        node.start()
        with login(node) as connection:
            connection.execute("CREATE TABLE kept (value TEXT)")
            connection.execute("INSERT INTO kept VALUES ('one')")
        port = node.port
        node.stop()
        node.start()
        with login(node) as connection:
            connection.execute("INSERT INTO kept VALUES ('two')")
        node.kill()
        assert not node.running
        node.start()
        with login(node) as connection:
            assert connection.execute("SELECT value FROM kept ORDER BY value").fetchall() == [
                ("one",),
                ("two",),
            ]
        assert node.port == port
        later = PostgresNode(tmp_path / "node")  # another process would build it anew
        node.stop()
        with later, login(later) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (2,)
    finally:
        node.discard()
    assert not (tmp_path / "node" / "data").exists()


CHILD = """
import sys, time
from pathlib import Path
from exchange.app.postgres import PostgresNode
node = PostgresNode(Path(sys.argv[1])).start()
print(node.server_pid(), flush=True)
time.sleep(60)
"""


def test_it_dies_with_whoever_started_it_and_can_be_taken_up_again(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "node")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    assert alive(pid)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    node = PostgresNode(tmp_path / "node")
    try:
        with node.start(), login(node) as connection:  # at once: it waits for the earlier one to end
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert not alive(pid)
    finally:
        node.discard()


def test_a_stopped_server_is_gone(tmp_path: Path) -> None:
    node = PostgresNode(tmp_path / "node").start()
    pid = node.server_pid()
    assert pid is not None
    node.discard()
    until(lambda: not alive(pid))
    assert not node.running
