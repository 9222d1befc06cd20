"""What is wrong with a document, field by field, in the sender's own words (wire paths), without its
values."""

from collections.abc import Sequence
from typing import NamedTuple

from exchange.errors import Refused


class FieldError(NamedTuple):
    """One complaint: where in the wire document, which code of docs/wire.md §8, and why."""

    path: str
    code: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        """The member of a receipt's `errors`."""
        return self._asdict()


class DocumentRefused(Refused):
    """Every complaint about one document; `code` and `where` are those of the first."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(first.code, first.detail + more, first.path)
        self.errors = tuple(errors)


class BadValue(Exception):
    """A wire value a conversion cannot read or a canonical one it cannot say; becomes a FieldError."""

    def __init__(self, detail: str, code: str = "bad_value") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


def shown_name(name: str) -> str:
    """A sender's name for a field as it may stand in an answer or a log line."""
    return name if name.isprintable() and len(name) <= 100 else f"(name of {len(name)} characters)"
