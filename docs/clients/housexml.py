"""For XML and SOAP: the house form of a document (docs/wire.md §2)."""

from xml.sax.saxutils import escape

NAMESPACE = "urn:tongban:message:1"


def message(document):
    return element("Message", document).replace("<Message>", f'<Message xmlns="{NAMESPACE}" Id="m1">', 1)


def element(name, value):
    """Objects are elements, lists are repeated elements, null is left out."""
    if value is None or isinstance(value, list):
        return "".join(element(name, one) for one in value or ())
    text = str(value).lower() if isinstance(value, bool) else escape(str(value))
    inner = "".join(map(element, value, value.values())) if isinstance(value, dict) else text
    return f"<{name}>{inner}</{name}>"
