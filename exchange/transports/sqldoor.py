"""A connection to somebody else's database: bounded in time, its driver's errors turned into ours."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from exchange.errors import Misconfigured, TryLater


def open_partner(address: str, password: str, timeout: float) -> Engine:
    """PostgreSQL (psycopg) or an SQLite file; nothing is opened yet. `timeout` in seconds for each step."""
    try:
        url = make_url(address)
    except ArgumentError as fault:
        raise Misconfigured("bad_address", "not a database address", "address") from fault
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database:
        return _sqlite(url, timeout)
    if kind == "postgresql":
        return _postgres(url.set(drivername="postgresql+psycopg", password=password or None), timeout)
    raise Misconfigured("bad_address", "only postgresql: and sqlite: databases are known", "address")


def _postgres(url: URL, timeout: float) -> Engine:
    limit = int(timeout * 1000)
    arguments = {
        "connect_timeout": max(2, int(timeout)),
        "options": f"-c statement_timeout={limit} -c lock_timeout={limit} -c client_encoding=UTF8",
        "application_name": "tongban",
    }
    try:
        return create_engine(url, connect_args=arguments, pool_size=1, max_overflow=1, pool_timeout=timeout)
    except ModuleNotFoundError as fault:
        raise Misconfigured("driver_missing", "PostgreSQL needs psycopg (extra `postgres`)") from fault


def _sqlite(url: URL, timeout: float) -> Engine:
    arguments = {"timeout": timeout, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments, pool_size=1, max_overflow=1, pool_timeout=timeout)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.text_factory = _text
    for pragma in ("trusted_schema=OFF", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _text(data: bytes) -> str | bytes:
    """One broken text must not make the whole table unreadable."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def working(engine: Engine, timeout: float, *, writing: bool = False) -> Iterator[Connection]:
    """One transaction that ends within `timeout` seconds whatever the other side does; TryLater with the
    driver's first words."""
    try:
        with (
            engine.connect().execution_options(writing=writing) as connection,
            _deadline(connection, timeout),
            connection.begin(),
        ):
            yield connection
    except (SQLAlchemyError, UnicodeError) as fault:
        engine.dispose()
        raise TryLater(_code(fault), _words(fault)) from fault


def _code(fault: Exception) -> str:
    away = isinstance(fault, PoolTimeout) or (isinstance(fault, DBAPIError) and fault.connection_invalidated)
    return "database_away" if away or type(fault).__name__ == "OperationalError" else "database_refuses"


def _words(fault: Exception) -> str:
    """The driver's first line without the statement and without values, which may be a person's."""
    if isinstance(fault, DataError | IntegrityError | UnicodeError):
        return type(getattr(fault, "orig", fault)).__name__
    text = str(getattr(fault, "orig", None) or type(fault).__name__)
    return text.strip().split("\n", 1)[0][:200]


@contextmanager
def _deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """A server that keeps the line but never answers is cut off."""
    driver, lock, over = connection.connection.driver_connection, threading.Lock(), threading.Event()

    def cut() -> None:
        with lock:
            if not over.is_set():
                _cut(driver)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over.set()
        timer.cancel()


def _cut(driver: Any) -> None:
    with suppress(OSError):
        if hasattr(driver, "interrupt"):
            driver.interrupt()
        else:
            with socket.socket(fileno=os.dup(driver.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
