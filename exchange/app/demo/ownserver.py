"""A server the demonstration started for itself, watched like its other processes."""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Node(Protocol):
    """A private server whose files outlive it."""

    @property
    def running(self) -> bool: ...

    def start(self) -> object: ...

    def stop(self) -> None: ...


N = TypeVar("N", bound=Node)


@dataclass(kw_only=True)
class OwnServer(Generic[N]):
    """`node` is None where none was started."""

    node: N | None = None
    restarts: int = field(default=0, init=False)

    def tend(self) -> bool:
        """Start the server again if it died (up to 12 s); whether it did."""
        if self.node is None or self.node.running:
            return False
        self.node.start()
        self.restarts += 1
        return True

    def stop(self) -> None:
        """End the server; its data stay."""
        if self.node is not None:
            self.node.stop()
