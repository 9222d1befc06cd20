"""A private RabbitMQ node on free loopback ports: for the demonstration and for tests, as any user."""

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from exchange.app.amqp_login import login_works
from exchange.app.privatefiles import kept_password, write_private
from exchange.errors import Misconfigured, TryLater

# The wrappers on PATH insist on root or the rabbitmq user; the script behind them runs as anybody.
SERVER_PLACES = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/local/lib/rabbitmq/bin/rabbitmq-server")
STARTED = "Server startup complete"
START_SECONDS = 60.0
STOP_SECONDS = 20.0

# RabbitMQ passes over an incomplete definition without a word, so what may be left out is filled in here.
QUEUE_DEFAULTS = {"vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
EXCHANGE_DEFAULTS = {**QUEUE_DEFAULTS, "type": "direct", "internal": False}
BINDING_DEFAULTS = {"vhost": "/", "destination_type": "queue", "routing_key": "", "arguments": {}}

ERLANG = (
    "-kernel inet_dist_use_interface {127,0,0,1}",  # else the distribution port listens on every address
    "+S 2:2",
    "+sbwt none +sbwtdcpu none +sbwtdio none",  # schedulers without work leave the processor to others
)

# The shell owns the port mapper and the broker and ends both, by their own ids, when a line or the end of
# file comes on its standard input: nothing is left behind even where the hub itself is killed.
LIFELINE = """
exec 3<&0
"$1" -port "$2" -address 127.0.0.1 </dev/null & mapper=$!
"$3" </dev/null & broker=$!
{ read -r _ <&3; kill "$broker"; } & watcher=$!
wait "$broker"; code=$?
kill "$watcher" "$mapper" 2>/dev/null
wait "$watcher" "$mapper"
exit "$code"
"""


def find_server() -> Path | None:
    """The server script, where RabbitMQ and Erlang's port mapper are installed."""
    if shutil.which("erl") is None or _mapper() is None:
        return None
    return next((path for place in SERVER_PLACES if (path := Path(place)).exists()), None)


def _mapper() -> str | None:
    return shutil.which("epmd")


@dataclass
class RabbitNode:
    """One broker whose files are all under `state`; a restart there finds its durable queues again."""

    state: Path
    definitions: Mapping[str, Any] = field(default_factory=dict)  # queues, exchanges, bindings, further users
    user: str = "hub"
    port: int = 0  # 0 = a free one, kept over restarts of this object
    config: Sequence[str] = ()  # further lines of rabbitmq.conf
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The address to log in at, password included: not for logs."""
        return f"amqp://{quote(self.user)}:{quote(kept_password(self.state))}@127.0.0.1:{self.port}/%2F"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Returns when a login works and the definitions are loaded (4 to 12 s), else raises TryLater."""
        server, mapper = find_server(), _mapper()
        if server is None or mapper is None:
            raise Misconfigured("rabbitmq_missing", "RabbitMQ is not installed (Debian: rabbitmq-server)")
        if not self.running:
            self._prepare()
            self._process = self._launch(server, mapper, free_port())
            self._wait_until_open()
        return self

    def stop(self) -> None:
        """Ends broker and port mapper and waits for both; what is durable stays in `state`."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._end(self._process)
        self._process = None

    def kill(self) -> None:
        """The broker dies as in a power cut (SIGKILL); `start` brings it back on the same port."""
        if self.running:
            os.kill(int((self.state / "node.pid").read_text()), signal.SIGKILL)
        self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = self.port or free_port()
        write_private(self.state / "definitions.json", json.dumps(self._all_definitions()))
        write_private(self.state / "rabbitmq.conf", "\n".join(self._config_lines()) + "\n")
        write_private(self.state / "enabled_plugins", "[].\n")
        (self.state / "node.log").unlink(missing_ok=True)

    def _all_definitions(self) -> dict[str, Any]:
        given = dict(self.definitions)
        user = {
            "name": self.user,
            "password_hash": _password_hash(kept_password(self.state)),
            "tags": ["administrator"],
        }
        everything = {"user": self.user, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
        return given | {
            "queues": [QUEUE_DEFAULTS | queue for queue in given.get("queues", ())],
            "exchanges": [EXCHANGE_DEFAULTS | exchange for exchange in given.get("exchanges", ())],
            "bindings": [BINDING_DEFAULTS | binding for binding in given.get("bindings", ())],
            "users": [*given.get("users", ()), user],
            "vhosts": given.get("vhosts", [{"name": "/"}]),
            "permissions": [*given.get("permissions", ()), everything],
        }

    def _config_lines(self) -> list[str]:
        return [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"load_definitions = {self.state / 'definitions.json'}",
            "disk_free_limit.absolute = 50MB",
            "log.file = node.log",
            "log.file.level = info",
            *self.config,
        ]

    def _launch(self, server: Path, mapper: str, mapper_port: int) -> "subprocess.Popen[bytes]":
        command = ["/bin/sh", "-c", LIFELINE, "rabbit-lifeline", mapper, str(mapper_port), str(server)]
        with (self.state / "console.log").open("wb") as console:
            return subprocess.Popen(  # noqa: S603 - our own script and paths found on this machine
                command,
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                env=self._environment(mapper_port),
                cwd=self.state,
                start_new_session=True,  # a Ctrl-C in the terminal is for the hub, which then stops the node
            )

    def _environment(self, mapper_port: int) -> dict[str, str]:
        state = str(self.state)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": state,  # the Erlang cookie lies here
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "tongban@localhost",  # the data belongs to this name: never the port in it
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{state}/data",
            "RABBITMQ_LOG_BASE": state,
            "RABBITMQ_CONFIG_FILE": f"{state}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{state}/enabled_plugins",
            "RABBITMQ_PID_FILE": f"{state}/node.pid",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(ERLANG),
        }

    def _wait_until_open(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline:
            if self._says_started() and login_works(self.port, self.user, kept_password(self.state)):
                return
            time.sleep(0.1)
        self.stop()
        raise TryLater("rabbitmq_not_started", self._last_words(), str(self.state / "node.log"))

    def _says_started(self) -> bool:
        log = self.state / "node.log"
        return log.exists() and STARTED in log.read_text("utf-8", errors="replace")

    def _last_words(self) -> str:
        lines = (self.state / "console.log").read_text("utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "the node did not start")

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the session was made for this process
            process.wait()


def _password_hash(password: str) -> str:
    """RabbitMQ's own form: base64 of a 4-byte salt and SHA-256 over salt and password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def free_port() -> int:
    """A port of the loopback address nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
