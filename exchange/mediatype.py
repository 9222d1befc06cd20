"""What a Content-Type says: the kind of document and the character set of its bytes."""


def kind(media_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def charset(media_type: str) -> str | None:
    """The character set it names, in lower case."""
    _, _, rest = media_type.lower().partition("charset=")
    return rest.partition(";")[0].strip().strip('"') or None


def is_utf8(media_type: str) -> bool:
    """Whether it does not say otherwise: JSON is UTF-8 (RFC 8259 §8.1)."""
    return charset(media_type) in (None, "utf-8", "utf8")
