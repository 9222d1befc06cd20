"""The program around a partner: arguments, keys, one HTTP server on the loopback, a clean end."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

import uvicorn
from fastapi import FastAPI
from structlog.types import FilteringBoundLogger
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

from mocks.partners.common.config import Config, ConfigError, load
from mocks.partners.common.httpfaults import DROP
from mocks.partners.common.keys import make_keys
from mocks.partners.common.log import open_log


class Partner(Protocol):
    """What a partner module builds from its configuration."""

    @property
    def app(self) -> FastAPI:
        """Its HTTP side, admin included."""
        ...

    def start(self) -> None:
        """Starts its threads."""
        ...

    def stop(self) -> None:
        """Ends its threads and closes its record, within a second."""
        ...


Build = Callable[[Config, FilteringBoundLogger], Partner]


def new_app() -> FastAPI:
    """A FastAPI application with nothing of its own on it."""
    return FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)


@dataclass(frozen=True)
class Droppable:
    """Closes the connection unanswered when an answer carries the drop mark; writes crashes down."""

    app: FastAPI
    log: FilteringBoundLogger

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        dropped = False

        async def watch(event: ASGISendEvent) -> None:
            nonlocal dropped
            if event["type"] == "http.response.start" and (DROP.encode(), b"1") in event.get("headers", []):
                dropped = True
                # ASGI has no word for it: `send` is a method of uvicorn's cycle, which holds the transport.
                send.__self__.transport.abort()  # type: ignore[attr-defined]  # see the line above
            if not dropped:
                await send(event)

        inner: ASGI3Application = self.app  # type: ignore[assignment]  # starlette spells the same types another way
        try:
            await inner(scope, receive, watch)
        except Exception:
            self.log.exception("request_failed")  # the process boundary: uvicorn answers 500
            raise
        while dropped and (await receive())["type"] != "http.disconnect":
            continue


def _listen(port: int) -> socket.socket:
    # The protocol is named so that asyncio sets TCP_NODELAY: without it an answer in two writes takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


class _Server(uvicorn.Server):
    """Says the one line once connections are taken."""

    line = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(self.line)
        sys.stdout.flush()


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGINT unwind the stack, so that the record and the log are closed."""
    raise SystemExit(0)


def serve(config: Config, build: Build) -> None:
    """Runs a partner until SIGTERM or SIGINT."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    log, file = open_log(config.state / f"{config.name}.log")
    with file, _listen(config.port) as listener:
        partner = build(config, log)
        config.expect_known()
        settings = uvicorn.Config(
            Droppable(partner.app, log), http="h11", loop="asyncio", ws="none", lifespan="off",
            log_config=None, log_level="critical", access_log=False, server_header=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = _Server(settings)
        server.line = f"ready {config.name} http://127.0.0.1:{listener.getsockname()[1]}\n"
        partner.start()
        log.info("started", port=listener.getsockname()[1])
        try:
            server.run(sockets=[listener])  # raises the signal again after its clean end: _end
        finally:
            partner.stop()
            log.info("stopped")


def main(build: Build, *, xml: bool, arguments: Sequence[str] | None = None) -> int:
    """`--config FILE [--make-keys]`; 0 after a clean end, 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--make-keys", action="store_true", help="make key and certificate, then exit")
    given = parser.parse_args(arguments)
    try:
        config = load(given.config)
        make_keys(config, xml=xml)
        if not given.make_keys:
            serve(config, build)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
