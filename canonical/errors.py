"""What canonical raises: one refusal with a stable code, never another library's exception."""


class ValueRefused(ValueError):
    """A value canonical does not allow; `detail` says why and never repeats the value: it may be personal."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"
