"""Every table of the hall, in the hub's own database; importing this makes them known to it."""

from exchange.store.tables import metadata

__all__ = ["metadata"]
