"""Settings: one frozen value built once from `tongban.toml` and the environment, then passed down."""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from exchange.errors import Misconfigured

STATE_VARIABLE = "TONGBAN_STATE"
FILE_NAME = "tongban.toml"

# Values that carry a password: never in the file, which is copied into tickets and back-ups.
SECRETS = {"database_url": "TONGBAN_DATABASE_URL", "amqp_url": "TONGBAN_AMQP_URL"}
TEXTS = ("ledger_origin", "http_host", "http_proxies", "public_url", "hub")
PORTS = ("http_port",)
PATHS = ("ledger_key", "queue_path", "ec_key", "ec_certificate", "rsa_key", "rsa_certificate", "adapters")
KEYS = frozenset({"state", *SECRETS, *TEXTS, *PORTS, *PATHS})


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this hub keeps its state, where it listens and which key files are its own."""

    state: Path
    database_url: str  # SQLAlchemy address
    ledger_key: Path
    ledger_origin: str  # first line of every checkpoint (C2SP tlog-checkpoint)
    http_host: str
    http_port: int  # 0 = any free port
    public_url: str  # what partners are told to call
    amqp_url: str | None  # None = the database queue at `queue_path`
    queue_path: Path
    hub: str  # the hub's own name as a party
    ec_key: Path
    ec_certificate: Path
    rsa_key: Path
    rsa_certificate: Path
    http_proxies: str = "127.0.0.1"  # whose X-Forwarded-For is believed: addresses and networks, by commas
    adapters: Path | None = None  # the site's own adapters, beside the shipped ones


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Reads `path` (default: the state directory's tongban.toml, if any); Misconfigured names the key."""
    state = Path(environ.get(STATE_VARIABLE) or "var")
    given = _read(path or state / FILE_NAME, required=path is not None)
    if "state" in given and STATE_VARIABLE not in environ:
        state = Path(_text(given, "state", ""))
    return _build(state.absolute(), given, environ)


def _build(state: Path, given: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    host = _text(given, "http_host", "127.0.0.1")
    port = _port(given, "http_port", 8750)
    keys = state / "keys"
    return Settings(
        state=state,
        database_url=_address(given, environ, "database_url") or f"sqlite:///{state / 'hub.db'}",
        ledger_key=_path(given, "ledger_key", state, keys / "ledger.key"),
        ledger_origin=_text(given, "ledger_origin", "tongban.example/hub"),
        http_host=host,
        http_port=port,
        http_proxies=_networks(given, "http_proxies", "127.0.0.1"),
        public_url=_text(given, "public_url", f"http://{host}:{port}").rstrip("/"),
        amqp_url=_address(given, environ, "amqp_url"),
        queue_path=_path(given, "queue_path", state, state / "queue.db"),
        hub=_text(given, "hub", "hub"),
        ec_key=_path(given, "ec_key", state, keys / "hub-ec.key"),
        ec_certificate=_path(given, "ec_certificate", state, keys / "hub-ec.pem"),
        rsa_key=_path(given, "rsa_key", state, keys / "hub-rsa.key"),
        rsa_certificate=_path(given, "rsa_certificate", state, keys / "hub-rsa.pem"),
        adapters=_path(given, "adapters", state, state) if "adapters" in given else None,
    )


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    if not required and not path.exists():
        return {}
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise Misconfigured("settings_unreadable", f"{fault}", str(path)) from fault
    if unknown := sorted(given.keys() - KEYS):
        raise Misconfigured("setting_unknown", f"no setting is called {', '.join(unknown)}", str(path))
    return given


def _text(given: Mapping[str, Any], key: str, default: str) -> str:
    value = given.get(key, default)
    if not isinstance(value, str) or not value.isprintable() or (key in given and not value.strip()):
        raise Misconfigured("setting_invalid", "must be a text of one line", key)
    return value


def _networks(given: Mapping[str, Any], key: str, default: str) -> str:
    said = _text(given, key, default)
    for one in said.split(","):
        try:
            ipaddress.ip_network(one.strip())
        except ValueError as fault:
            raise Misconfigured("setting_invalid", f"{one.strip()} is no address or network", key) from fault
    return said


def _port(given: Mapping[str, Any], key: str, default: int) -> int:
    value = given.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise Misconfigured("setting_invalid", "must be a port number, 0 to 65535", key)
    return value


def _path(given: Mapping[str, Any], key: str, state: Path, default: Path) -> Path:
    """Relative paths in the file are relative to the state directory."""
    return state / _text(given, key, str(default))


def _address(given: Mapping[str, Any], environ: Mapping[str, str], key: str) -> str | None:
    """A database or broker address; one with a password is taken from the environment alone."""
    if from_environment := environ.get(SECRETS[key]):
        return from_environment
    if key not in given:
        return None
    address = _text(given, key, "")
    if _password(address, key) is not None:
        raise Misconfigured("secret_in_file", f"an address with a password belongs in {SECRETS[key]}", key)
    return address


def _password(address: str, key: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError as fault:
        raise Misconfigured("setting_invalid", "is not an address", key) from fault
