"""Every table of the hall, in the hub's own database; importing this makes them known to it."""

from exchange.store.tables import metadata
from hallservice.applicants import tables as _applicants  # noqa: F401 - applicants
from hallservice.auditing import tables as _auditing  # noqa: F401 - whose acts stand where
from hallservice.complaints import tables as _complaints  # noqa: F401 - complaints
from hallservice.counter import tables as _counter  # noqa: F401 - the counter's
from hallservice.flows import tables as _flows  # noqa: F401 - its tables too
from hallservice.items import tables as _items  # noqa: F401 - the item lists
from hallservice.people import tables as _people  # noqa: F401 - importing makes its tables known
from hallservice.supervision import tables as _supervision  # noqa: F401 - those of supervision
from hallservice.web import tables as _web  # noqa: F401 - likewise

__all__ = ["metadata"]
