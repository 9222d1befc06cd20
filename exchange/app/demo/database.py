"""The front-end database of the demonstration: a private PostgreSQL server where it is installed, else a
file."""

from dataclasses import dataclass
from pathlib import Path

from exchange.app.postgres import PostgresNode, find_server
from exchange.app.settings import Settings

FOLDER = "postgres"  # under the state directory
FILE = "front.db"


@dataclass
class FrontBase:
    """Where department D and the hub meet; `password` is empty for the file."""

    address: str  # SQLAlchemy address without a password, as the registry keeps it
    password: str = ""
    node: PostgresNode | None = None
    restarts: int = 0

    @property
    def url(self) -> str:
        """With the password: for the partner's own configuration, not for logs."""
        return self.node.url if self.node is not None else self.address

    @property
    def kind(self) -> str:
        """postgresql or sqlite."""
        return "postgresql" if self.node is not None else "sqlite"

    def tend(self) -> bool:
        """Start the server again if it died (1 to 3 s); whether it did."""
        if self.node is None or self.node.running:
            return False
        self.node.start()
        self.restarts += 1
        return True

    def stop(self) -> None:
        """End the server; its data stay."""
        if self.node is not None:
            self.node.stop()


def open_database(settings: Settings, root: Path, allowed: bool = True) -> FrontBase:
    """Returns when logins are taken."""
    if not allowed or find_server() is None:
        return FrontBase(f"sqlite:///{root / FILE}")
    node = PostgresNode(settings.state / FOLDER).start()
    return FrontBase(node.address(), node.password, node)
