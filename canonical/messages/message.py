"""One document of the exchange: the envelope every payload travels in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from canonical.messages.parts import Model, Text
from canonical.values import Timestamp


class Message(Model):
    """One document of the exchange: who says what, when, and the payload of its type."""

    message_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._\-]{8,64}$")]
    type: str
    sender: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._\-]{1,39}$")]
    sent_at: Timestamp
    causation_id: Annotated[str, Text(64)] | None = None
    payload: Any

    @property
    def case_no(self) -> str | None:
        """The case this message is about, if any."""
        return getattr(self.payload, "case_no", None)
