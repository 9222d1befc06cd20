"""What a queue transport offers, whether RabbitMQ or the database carries it: topic exchanges, confirmed
publishing, acknowledged reading."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

LONGEST_BODY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Delivery:
    """One message taken from a queue."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str | None = None
    correlation_id: str | None = None
    content_type: str | None = None
    type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    redelivered: bool = False


@dataclass(frozen=True)
class Post:
    """One message to publish; persistent, mandatory, confirmed."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    correlation_id: str | None = None
    content_type: str = "application/json"
    type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Binding:
    """A durable queue bound to a durable topic exchange; `dead_letter` is an exchange."""

    queue: str
    exchange: str
    pattern: str
    dead_letter: str | None = None


Handler = Callable[[Delivery], None]
"""Returns when the message is safe (it is then acknowledged); TryLater gives it back; anything else is a
defect and gives it back."""


class Queues(Protocol):
    """Both drivers."""

    def declare(self, bindings: Sequence[Binding]) -> None:
        """Make exchanges, queues and bindings; the same again is harmless."""

    def publish(self, posts: Sequence[Post]) -> None:
        """All are durable when this returns; TryLater when the carrier is away, Misconfigured when nothing
        is bound."""

    def consume(self, queue: str, handler: Handler, stopping: Callable[[], bool]) -> None:
        """Hand over messages until `stopping()`; reconnects by itself."""

    def close(self) -> None:
        """Let go of connections."""


def topic_matches(pattern: str, key: str) -> bool:
    """AMQP topic rule: `*` one word, `#` any number of words, words separated by dots."""
    return _matches(pattern.split("."), key.split("."))


def _matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(_matches(rest, words[at:]) for at in range(len(words) + 1))
    return bool(words) and first in ("*", words[0]) and _matches(rest, words[1:])
