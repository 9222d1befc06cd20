"""Configuration of one partner program, read once from a TOML file and never changed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path


class ConfigError(Exception):
    """The configuration cannot be used; the text names the key."""


class Own(Mapping[str, object]):
    """A partner's own keys, which remember what was asked for: what nobody asks for is misspelt."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given, self._asked = dict(given), set[str]()

    def __getitem__(self, name: str) -> object:
        self._asked.add(name)
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def unasked(self) -> list[str]:
        """The keys nobody has asked for."""
        return sorted(self._given.keys() - self._asked)


@dataclass(frozen=True)
class Config:
    """The keys every partner has; `own` holds the rest. Relative paths start at the file's folder."""

    name: str
    port: int  # 0 = any free port
    state: Path
    key: Path
    certificate: Path
    hub_url: str
    secret: str = field(repr=False)
    account: str
    hub_ec_certificate: Path | None = None
    hub_rsa_certificate: Path | None = None
    amqp_url: str = ""  # empty = the database queue
    queue_path: Path | None = None
    seed: int = 0
    own: Mapping[str, object] = field(default_factory=dict)

    def expect_known(self) -> None:
        """Once a partner is built it has asked for all its keys: ConfigError names any other."""
        if isinstance(self.own, Own) and (unknown := self.own.unasked()):
            raise ConfigError(f"no key is called {', '.join(unknown)}")

    def integer(self, name: str, default: int, *, least: int = 0) -> int:
        """A whole number of the partner's own keys."""
        value = self.own.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{name}: a whole number of at least {least} is needed")
        return value

    def share(self, name: str, default: float) -> float:
        """A share between 0 and 1 of the partner's own keys."""
        value = self.own.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigError(f"{name}: a number from 0 to 1 is needed")
        return float(value)

    def seconds(self, name: str, default: float) -> float:
        """A span of time of the partner's own keys, at most a day."""
        value = self.own.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86400:
            raise ConfigError(f"{name}: seconds from 0 to 86400 are needed")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """A text of the partner's own keys."""
        value = self.own.get(name, default)
        if not isinstance(value, str):
            raise ConfigError(f"{name}: a text is needed")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts of the partner's own keys, empty if absent."""
        value = self.own.get(name, [])
        if not isinstance(value, list):
            raise ConfigError(f"{name}: a list of texts is needed")
        if any(not isinstance(item, str) for item in value):
            raise ConfigError(f"{name}: a list of texts is needed")
        return tuple(value)

    def numbers(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """A list of numbers (seconds, mostly) of the partner's own keys."""
        value = self.own.get(name, list(default))
        if not isinstance(value, list):
            raise ConfigError(f"{name}: a list of numbers is needed")
        if any(isinstance(item, bool) or not isinstance(item, int | float) for item in value):
            raise ConfigError(f"{name}: a list of numbers is needed")
        return tuple(float(item) for item in value)


PATHS = frozenset({"state", "key", "certificate", "hub_ec_certificate", "hub_rsa_certificate", "queue_path"})
NUMBERS = frozenset({"port", "seed"})
REQUIRED = frozenset({"name", "port", "state", "key", "certificate", "hub_url", "secret", "account"})
COMMON = frozenset(item.name for item in fields(Config)) - {"own"}


def _common_value(name: str, value: object, base: Path) -> object:
    if name in NUMBERS:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{name}: a whole number is needed")
        return value
    if not isinstance(value, str):
        raise ConfigError(f"{name}: a text is needed")
    if name not in PATHS:
        return value
    return base / value if value else None


def load(path: Path) -> Config:
    """The configuration in a TOML file; ConfigError names what is wrong."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name}: {error}") from error
    if missing := sorted(REQUIRED - raw.keys()):
        raise ConfigError(f"missing: {', '.join(missing)}")
    base = path.resolve().parent
    common = {name: _common_value(name, raw[name], base) for name in COMMON & raw.keys()}
    if empty := sorted(name for name in REQUIRED if common[name] in (None, "")):
        raise ConfigError(f"empty: {', '.join(empty)}")
    own = Own({name: value for name, value in raw.items() if name not in COMMON})
    return Config(**common, own=own)  # type: ignore[arg-type]  # each value was checked against its key above
