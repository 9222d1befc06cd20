"""The keys of sealed columns: keys/data-1.key, data-2.key … in the state directory; the newest seals, all
open."""

import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select

from exchange.app.secretfiles import read_secret, write_secret
from exchange.app.settings import Settings
from exchange.errors import Misconfigured
from exchange.store import sealed
from exchange.store.engine import reading
from exchange.store.sealed import KEY_SIZE, MOST_KEYS, Ring, ring_of
from exchange.store.tables import data_key

_NAME = re.compile(r"data-([1-9][0-9]{0,4})\.key")


def path_of(settings: Settings, number: int) -> Path:
    """Where a key lies."""
    return settings.state / "keys" / f"data-{number}.key"


def ensure(settings: Settings) -> None:
    """Makes the first key where there is none."""
    if not _numbers(settings):
        write_secret(path_of(settings, 1), secrets.token_bytes(KEY_SIZE))


def running(settings: Settings) -> Path:
    """Held by every hub that runs on this state directory, alone by a rotation."""
    return settings.state / "running.lock"


def turn(settings: Settings, engine: Engine) -> int:
    """The next key, the newest from now on, unless a rotation was broken off; its number."""
    newest = ring_of(engine.dialect).newest
    if {row.number for row in known(engine)} == {newest}:
        if (newest := newest + 1) > MOST_KEYS:
            raise Misconfigured("keys_used_up", f"there are no numbers above {MOST_KEYS}")
        write_secret(path_of(settings, newest), secrets.token_bytes(KEY_SIZE))
        arm(settings, engine)
        enter(engine)
    return newest


def read_ring(settings: Settings) -> Ring:
    """Every key there is; Misconfigured key_missing, key_unreadable, key_exposed."""
    keys = {number: _read(path_of(settings, number)) for number in _numbers(settings)}
    if not keys:
        raise Misconfigured("key_missing", "personal data is sealed by it", str(path_of(settings, 1)))
    return Ring(keys)


def arm(settings: Settings, engine: Engine) -> None:
    """Gives the columns their keys; Misconfigured when these are not the keys the store was written with."""
    expect(settings, engine)
    ring = read_ring(settings)
    for row in known(engine):
        if not ring.proves(row.proof):
            where = str(path_of(settings, row.number))
            raise Misconfigured("key_other", "the store was written with another key of this number", where)
    sealed.arm(engine, ring)


def expect(settings: Settings, engine: Engine) -> None:
    """Misconfigured key_missing when a key is gone that values of the store need."""
    for row in known(engine):
        if not (path := path_of(settings, row.number)).exists():
            raise Misconfigured("key_missing", "the store was written with this key; restore it", str(path))


def known(engine: Engine) -> Sequence[Row[Any]]:
    """The keys that values of the store may need, newest first."""
    with reading(engine) as connection:
        return connection.execute(select(data_key).order_by(data_key.c.number.desc())).all()


def enter(engine: Engine) -> None:
    """Notes in the store that values are sealed by the newest key from now on."""
    ring = ring_of(engine.dialect)
    if any(row.number == ring.newest for row in known(engine)):
        return
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        same = select(data_key.c.number).where(data_key.c.number == ring.newest)
        if connection.execute(same).first() is None:  # another process may have been quicker
            row = {"number": ring.newest, "since": time.time(), "proof": ring.proof()}
            connection.execute(insert(data_key), row)


def retire(engine: Engine) -> None:
    """No value needs an older key than the newest any more."""
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(delete(data_key).where(data_key.c.number != ring_of(engine.dialect).newest))


def _numbers(settings: Settings) -> list[int]:
    folder = settings.state / "keys"
    found = (_NAME.fullmatch(path.name) for path in folder.glob("data-*.key"))
    return sorted(int(match[1]) for match in found if match)


def _read(path: Path) -> bytes:
    key = read_secret(path)
    if len(key) != KEY_SIZE:
        raise Misconfigured("key_unreadable", f"must be {KEY_SIZE} bytes", str(path))
    return key
