"""Bodies that are being read at this moment: each has its bound where it is read, all together this one."""

MOST = 256 * 1024 * 1024  # bytes


class Held:
    """How many bytes have come that nobody has worked on yet."""

    def __init__(self, most: int = MOST) -> None:
        self.most, self._held = most, 0

    def take(self, size: int) -> bool:
        """So many more; whether there is room for them."""
        self._held += size
        return self._held <= self.most

    def give(self, size: int) -> None:
        """So many are read, or given up."""
        self._held -= size
