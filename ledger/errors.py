"""The one exception of this package: a code a program can act on and a sentence a person can read."""


class LedgerError(Exception):
    """Refusal of the ledger; `code` is stable, the message may change."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
