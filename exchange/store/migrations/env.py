"""Alembic's entry: runs the steps on the connection it is given, inside that connection's transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),  # to draft a step; running one needs none
    transactional_ddl=True,
)
context.run_migrations()
