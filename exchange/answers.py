"""How a partner is answered in its own terms, by the templates of its manifest."""

import json
from collections.abc import Mapping
from typing import Any

from exchange.manifest import Answer
from exchange.receipts import Receipt


def partner_answer(answer: Answer | None, receipt: Receipt, values: Mapping[str, Any]) -> tuple[bytes, int]:
    """Body and HTTP status; what is held counts as accepted to a partner, a refusal carries the partner's
    own code."""
    if answer is None:
        return b"", receipt.http_status
    facts = json.loads(receipt.body) if receipt.body else dict(receipt.facts)
    if receipt.status != "refused":
        return _rendered(answer.ok, {**facts, **values, "code": "0", "detail": ""}), 200
    detail = (facts.get("errors") or [{}])[0].get("detail", receipt.code)
    code = answer.codes.get(receipt.code, answer.codes.get("*", receipt.code))
    body = _rendered(answer.refused, {**facts, **values, "code": code, "detail": detail})
    return body, answer.status or receipt.http_status


def _rendered(template: Any, values: Mapping[str, Any]) -> bytes:
    return json.dumps(filled(template, values), ensure_ascii=False, separators=(",", ":")).encode()


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its {names} replaced; a string that is one name alone takes the value with its
    type."""
    if isinstance(template, dict):
        return {name: filled(value, values) for name, value in template.items()}
    if not isinstance(template, str):
        return template
    if template.startswith("{") and template.endswith("}") and template.count("{") == 1:
        return values.get(template[1:-1], "")
    return template.format_map(_Missing(values))


class _Missing(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""
