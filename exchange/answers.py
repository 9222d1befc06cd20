"""How a partner is answered in its own terms, by the templates of its manifest."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from exchange.manifest import Answer
from exchange.receipts import Receipt

Named = Callable[[str], str]
"""The partner's own name of what a refusal names: canonical field or wire path -> wire path."""


def partner_answer(
    answer: Answer | None, receipt: Receipt, values: Mapping[str, Any], named: Named = str
) -> tuple[bytes, int]:
    """Body and HTTP status; what is held counts as accepted to a partner, a refusal carries the partner's
    own code."""
    if answer is None:
        return b"", receipt.http_status
    tree = partner_tree(answer, receipt, values, named)
    body = json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
    return body, 200 if receipt.status != "refused" else answer.status or receipt.http_status


def answer_headers(answer: Answer | None, receipt: Receipt) -> dict[str, str]:
    """What the contract wants beside the body of an HTTP answer."""
    if answer is None:
        return {}
    return {**answer.headers, **(answer.refused_headers if receipt.status == "refused" else {})}


def partner_tree(answer: Answer, receipt: Receipt, values: Mapping[str, Any], named: Named = str) -> Any:
    """The answer before it is bytes: JSON, or the tree of an XML document whose root is the one member."""
    facts = json.loads(receipt.body) if receipt.body else dict(receipt.facts)
    if receipt.status != "refused":
        return filled(answer.ok, {**facts, **values, "code": "0", "hub_code": "0", "path": "", "detail": ""})
    first = (facts.get("errors") or [{}])[0]
    detail, path = first.get("detail", receipt.code), named(first.get("path", ""))
    code = answer.codes.get(receipt.code, answer.codes.get("*", receipt.code))
    told = {"code": code, "hub_code": receipt.code, "path": path, "detail": detail}
    return filled(answer.refused, {**facts, **values, **told})


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its {names} replaced; a string that is one name alone takes the value with its
    type."""
    if isinstance(template, dict):
        return {name: filled(value, values) for name, value in template.items()}
    if not isinstance(template, str):
        return template
    if template.startswith("{") and template.endswith("}") and template.count("{") == 1:
        return values.get(template[1:-1], "")
    return template.format_map(_Missing(values)).strip()


class _Missing(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""
