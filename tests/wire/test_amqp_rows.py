"""The queue file's tables are public: who writes to them may write anything."""

import json
from typing import Any

from tests.wire.queueside import DatabaseSide, dead, good
from tests.wire.rig import SEAL, Hub, Identity

ODD_ROWS: dict[str, tuple[Any, Any]] = {
    "headers-no-json": (b"{}", "{"),
    "headers-a-list": (b"{}", "[1]"),
    "header-an-object": (b"{}", json.dumps({SEAL: {"a": [1]}})),
    "body-a-text": ("{}", "{}"),
    "body-a-number": (7, "{}"),
}


def test_rows_that_break_the_table_are_set_aside_and_the_next_message_is_read(
    hub: Hub, window: Identity
) -> None:
    side = DatabaseSide(hub)
    for ident, (body, headers) in ODD_ROWS.items():
        side.put(f"in.{window.name}", body, headers, ident)
    good(side, window)
    for ident in ODD_ROWS:
        assert dead(side, ident).headers["x-tongban-code"] == "seal_missing"
