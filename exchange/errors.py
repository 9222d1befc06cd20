"""Every way the hub says no, named by what to do next; hostile input ends here, not in a library's error."""


class HubError(Exception):
    """A failure with a stable `code` to act on, a `detail` for a person and the field or path it concerns."""

    def __init__(self, code: str, detail: str, where: str | None = None) -> None:
        super().__init__(code, detail, where)
        self.code = code
        self.detail = detail
        self.where = where

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" + (f" ({self.where})" if self.where else "")


class Refused(HubError):
    """The sender must change the message; the same bytes are refused again, so it is never retried."""


class Tampered(Refused):
    """Bytes, signature or certificate are not what the sender's key vouches for; tell a person."""


class Conflict(Refused):
    """The same identity was used before for something else; the sender must look at its own records."""


class TryLater(HubError):
    """Nothing is wrong with the message; the same one may be sent again after a pause."""


class Misconfigured(HubError):
    """The hub's own files or settings are wrong; raised at start-up only, an administrator must act."""
