"""Alembic's entry: runs the steps on the connection it is given, inside that connection's transaction."""

from typing import Literal

from alembic import context

from exchange.store.sealed import Sealed


def _as_stored(kind: str, value: object, _: object) -> str | Literal[False]:
    """A step says what the database holds of a sealed column: bytes."""
    return "sa.LargeBinary()" if kind == "type" and isinstance(value, Sealed) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),  # to draft a step; running one needs none
    transactional_ddl=True,
    render_item=_as_stored,
)
context.run_migrations()
