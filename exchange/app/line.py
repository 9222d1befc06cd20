"""One HTTP connection as the hub keeps it: a head comes soon and is small, an answer is taken, else the line
is cut. Bodies have their own bounds where they are read."""

import asyncio
import resource

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0  # from the first byte, or from the connection, to the end of the head
ANSWER_SECONDS = 60.0  # an answer may stand still because nobody reads it
MOST_HEAD = 64 * 1024  # bytes of request line and headers
OWN_FILES = 256  # descriptors kept for the store, queues and partners
MOST_FILES = 65_536
TOO_LATE = "The request came too slowly."
TOO_LARGE = "The head of the request is too large."


class Line(HttpToolsProtocol):
    """uvicorn's own connection, bounded."""

    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _in_head = True
    _head = 0  # bytes of it so far

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base
        """The clock of the first head begins."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._settle()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counted while it is a head."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head = True, 0
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Fields behind a body say nothing here, and have an end."""
        if self._in_head:
            super().on_header(name, value)
            return
        self._head += len(name) + len(value)
        if self._head > MOST_HEAD:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head, self._head = False, 0
        self._settle()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Whoever asked does not read."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The answer goes on."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        """A browser that opened a line to have one is told nothing."""
        if self._head:
            self._refuse(TOO_LATE)
        else:
            self._settle()
            self.transport.close()

    def _refuse(self, said: str) -> None:
        """400 and the end of the line."""
        self._settle()
        if not self.transport.is_closing():
            self.send_400_response(said)


def most_lines() -> int:
    """How many connections at once, after as many files as the system lets us have were asked for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max((MOST_FILES if soft == resource.RLIM_INFINITY else soft) - OWN_FILES, OWN_FILES)
