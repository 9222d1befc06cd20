"""A private PostgreSQL server on a free loopback port: for the demonstration and for tests, as any user."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from exchange.app.privatefiles import kept_password, write_private
from exchange.app.rabbit import free_port
from exchange.errors import Misconfigured, TryLater

PLACES = "/usr/lib/postgresql"  # Debian: one folder per version, not on PATH
ACCOUNTS = ("postgres", "nobody")  # PostgreSQL refuses to run as root: then it runs as one of these
START_SECONDS = 60.0
STOP_SECONDS = 20.0
FIRST_DATABASE = "postgres"
READY = "ready"  # last line of postmaster.pid

# The shell owns the server and ends it (fast shutdown) when a line or the end of file comes on its standard
# input: nothing is left behind even where the hub itself is killed.
LIFELINE = """
exec 3<&0
"$@" </dev/null & server=$!
{ read -r _ <&3; kill -INT "$server"; } & watcher=$!
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"""


def find_server() -> Path | None:
    """The folder of initdb and postgres: the newest of Debian's, else the one on PATH."""
    versions = sorted(Path(PLACES).glob("*/bin"), key=_version, reverse=True)
    on_path = shutil.which("postgres")
    places = [*versions, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((one for one in places if (one / "initdb").exists() and (one / "postgres").exists()), None)


def _version(place: Path) -> float:
    with suppress(ValueError):
        return float(place.parent.name)
    return 0.0


@dataclass
class PostgresNode:
    """One server whose files are all under `state`; a restart there finds its data again.

    Started by root it runs as another account, which cannot reach `state`: then its data lie in a folder of
    their own among the temporary files, and `state` remembers which.
    """

    state: Path
    user: str = "hub"
    port: int = 0  # 0 = a free one, kept over restarts of this object
    config: Sequence[str] = ()  # further settings, name=value
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """The address to log in at, password included: not for logs."""
        return f"postgresql+psycopg://{quote(self.user)}:{quote(self.password)}@127.0.0.1:{self.port}/{FIRST_DATABASE}"

    @property
    def password(self) -> str:
        """Made once per state directory."""
        return kept_password(self.state)

    def address(self, database: str = FIRST_DATABASE) -> str:
        """The address of a database without the password, as the registry keeps it."""
        return f"postgresql+psycopg://{quote(self.user)}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        """Returns when logins are taken (1 to 3 s the first time, else less), or raises TryLater."""
        server = find_server()
        if server is None:
            raise Misconfigured("postgres_missing", "PostgreSQL is not installed (Debian: postgresql)")
        if not self.running:
            self.port = self.port or free_port()
            self._prepare(server)
            self._wait_for_earlier()
            self._process = self._launch(server)
            self._wait_until_open()
        return self

    def stop(self) -> None:
        """Ends the server and waits for it; its data stay."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # the session was made for this process
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """The server dies as in a power cut (SIGKILL); `start` brings it back on the same port."""
        if self.running and (pid := self.server_pid()):
            os.kill(pid, signal.SIGKILL)
        self.stop()

    def discard(self) -> None:
        """Stop and remove the data."""
        self.stop()
        shutil.rmtree(self._home(), ignore_errors=True)
        (self.state / "place").unlink(missing_ok=True)

    def server_pid(self) -> int | None:
        """Process id of the server, as its own files say."""
        lines = self._pid_file()
        return int(lines[0]) if lines and lines[0].isdecimal() else None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _home(self) -> Path:
        """Where the data lie: `state` itself, or where the server's account can reach them."""
        account, place = _account(), self.state / "place"
        if account is None:
            return self.state
        if place.exists() and _is_of(home := Path(place.read_text()), account.pw_uid):
            return home
        home = Path(tempfile.mkdtemp(prefix="tongban-postgres-"))
        os.chown(home, account.pw_uid, account.pw_gid)
        write_private(place, str(home))
        return home

    def _prepare(self, server: Path) -> None:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = self._home()
        if (home / "data").exists():
            return
        shutil.rmtree(home / "data.new", ignore_errors=True)  # of an initdb that was interrupted
        secret = home / "first-password"
        write_private(secret, self.password)
        if account := _account():
            os.chown(secret, account.pw_uid, account.pw_gid)
        try:
            self._initialise(server, home, secret)
        finally:
            secret.unlink()
        (home / "data.new").rename(home / "data")

    def _initialise(self, server: Path, home: Path, secret: Path) -> None:
        said = [f"--username={self.user}", f"--pwfile={secret}", "--auth=scram-sha-256"]
        form = ["--encoding=UTF8", "--no-locale", "--no-sync", "--pgdata", str(home / "data.new")]
        done = subprocess.run(  # noqa: S603 - a path found on this machine
            [str(server / "initdb"), *said, *form],
            cwd=home,
            capture_output=True,
            check=False,
            env=_environment(),
            timeout=START_SECONDS,
            **_as_account(),
        )
        if done.returncode:
            raise TryLater("postgres_not_started", _last_line(done.stderr), str(self.state))

    def _launch(self, server: Path) -> "subprocess.Popen[bytes]":
        home = self._home()
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=40",
            "shared_buffers=16MB",
            *self.config,
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        command = [str(server / "postgres"), "-D", str(home / "data"), *options]
        with (self.state / "console.log").open("ab") as console:
            return subprocess.Popen(  # noqa: S603 - our own script and paths found on this machine
                ["/bin/sh", "-c", LIFELINE, "postgres-lifeline", *command],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                env=_environment(),
                cwd=home,
                start_new_session=True,  # a Ctrl-C is for the hub, which then stops the server
                **_as_account(),
            )

    def _is_ours(self, pid: int) -> bool:
        """Not one of before whose file was left behind: it runs in the session made for our own."""
        with suppress(OSError):
            return self._process is not None and os.getsid(pid) == self._process.pid
        return False

    def _pid_file(self) -> list[str]:
        with suppress(OSError):
            return (self._home() / "data" / "postmaster.pid").read_text().split("\n")
        return []

    def _wait_for_earlier(self) -> None:
        """A server of a killed process ends by itself; a second one on its files would be turned away."""
        deadline = time.monotonic() + STOP_SECONDS
        while (pid := self.server_pid()) and _serves(pid, self._home()) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _wait_until_open(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline:
            lines = self._pid_file()
            if len(lines) > 7 and lines[7].strip() == READY and self._is_ours(int(lines[0])):
                return
            time.sleep(0.05)
        self.stop()
        log = self.state / "console.log"
        raise TryLater("postgres_not_started", _last_line(log.read_bytes()), str(log))


def _account() -> pwd.struct_passwd | None:
    """Who the server runs as when we are root; None: ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Misconfigured(
        "no_account", f"PostgreSQL does not run as root, and there is no {' or '.join(ACCOUNTS)}"
    )


def _as_account() -> dict[str, Any]:
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _is_of(folder: Path, uid: int) -> bool:
    return folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == uid


def _serves(pid: int, home: Path) -> bool:
    """Whether this process is a server on these files."""
    with suppress(OSError):
        return str(home / "data").encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "the server did not start")
