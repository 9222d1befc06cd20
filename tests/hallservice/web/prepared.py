"""What pages are opened with: `example={"case_no": "@case"}` of a page is filled with what `case` makes here.

Each function gets the hall all pages are walked in, is called once, and may call others by name.
"""

from collections.abc import Callable, Mapping

from hallservice.hall import Hall

MAKERS: Mapping[str, Callable[[Hall], str]] = {}
