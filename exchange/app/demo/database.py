"""The front-end database of the demonstration: a private PostgreSQL server where it is installed, else a
file."""

from dataclasses import dataclass
from pathlib import Path

from exchange.app.demo.ownserver import OwnServer
from exchange.app.postgres import PostgresNode, find_server
from exchange.app.settings import Settings

FOLDER = "postgres"  # under the state directory
FILE = "front.db"


@dataclass
class FrontBase(OwnServer[PostgresNode]):
    """Where department D and the hub meet; `password` is empty for the file."""

    address: str  # SQLAlchemy address without a password, as the registry keeps it
    password: str = ""

    @property
    def url(self) -> str:
        """With the password: for the partner's own configuration, not for logs."""
        return self.node.url if self.node is not None else self.address

    @property
    def kind(self) -> str:
        """postgresql or sqlite."""
        return "postgresql" if self.node is not None else "sqlite"


def open_database(settings: Settings, root: Path, allowed: bool = True) -> FrontBase:
    """Returns when logins are taken."""
    if not allowed or find_server() is None:
        return FrontBase(f"sqlite:///{root / FILE}")
    node = PostgresNode(settings.state / FOLDER).start()
    return FrontBase(node.address(), node.password, node=node)
