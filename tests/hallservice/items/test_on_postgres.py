"""The lists on PostgreSQL: a change, an import, search and statistics."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from exchange.app.postgres import PostgresNode
from hallservice.items import finding, importing, overlays, reporting, situations
from hallservice.items.finding import BY, Wanted
from hallservice.items.wording import DIRECTORY
from tests.exchange.core.rig import ITEM as PERMIT
from tests.exchange.core.test_store_postgres import close
from tests.hallservice.counter.test_on_postgres import built
from tests.hallservice.items.samples import ENTRY, Lists
from tests.hallservice.items.staff import clerk_named, staffed
from tests.hallservice.items.test_importing import sheet_of
from tests.hallservice.world import hall_of


@pytest.fixture
def lists(postgres: PostgresNode, tmp_path: Path) -> Iterator[Lists]:
    """The lists of a hall whose store is in PostgreSQL."""
    admin = create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE items"))
    core = built(postgres.url.rpartition("/")[0] + "/items", tmp_path)
    hall = hall_of(core)
    staffed(hall)
    yield Lists(hall, core, lambda role: clerk_named(hall, role))
    close(core.hub.store)
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE items WITH (FORCE)"))
    admin.dispose()


def test_the_same_on_postgresql(lists: Lists) -> None:
    code = lists.item(lists.entry())
    editor = lists.clerk_as("editor")
    body = sheet_of("directory", ENTRY | {"name": "二号登记"})
    staged = importing.stage(lists.hall, editor, "directory", "", "a.xlsx", body)
    lists.published(importing.confirm(lists.hall, editor, staged))
    with lists.core.hub.store.read() as connection:
        found, total = finding.implementation(connection, Wanted(source="hall", region="441402000000"))
        assert ([one.code for one in found], total) == ([code], 1)
        assert finding.directory(connection, Wanted(words="登记", kind="public_service"))[1] == 2
        totals = [sum(one.total for one in finding.statistics(connection, by, Wanted())) for by in BY]
        assert totals == [2] * len(BY)
        assert reporting.listed(connection, editor) == [], "no item of a town or village"
        entries = [
            sum(one.total for one in finding.statistics(connection, by, Wanted(), DIRECTORY)) for by in BY
        ]
        assert entries == [2, 2, 4, 2, 2], "both at two levels"
        assert (
            situations.setup_of(connection, PERMIT, 1).questions == () and overlays.listed(connection) == []
        )
    lists.published(lists.begun("suspend", "directory", code[19:]))
    assert lists.kept("implementation", code).held_by == code[19:]
