"""The text of a new adapter.toml: calls and doors of the contract, everything unknown marked TODO."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exchange.contextnames import ALWAYS, FACTS
from exchange.scaffold import writing
from exchange.scaffold.contract import Body, Contract, Operation, snake
from exchange.scaffold.drafting import verdict_of
from exchange.scaffold.guess import context_name

SHARED_ANSWER = "answer"
WAY = "unconfirmed: an OpenAPI document does not say who calls; if the partner does, make it an [[inbound]]"
MEANT = "unconfirmed: path, ok and text are guesses; say what each code means (errors)"
Messages = Mapping[str, str | None]
"""Message type of each document, by its mapping's name."""


def manifest_text(name: str, contract: Contract, messages: Messages) -> str:
    """The manifest of the scaffold."""
    told = f" (the contract says: {contract.title})" if contract.title else ""
    lines = [
        f"title = {writing.value(f'TODO: Chinese name of the system{told}')}",
        'system = "TODO: its SYS number, for example SYS-02"',
        'owner = "TODO: who runs it"',
        f"contract_version = {writing.value(contract.version or 'TODO: version of the contract')}",
        f"seal = {writing.value(contract.sealed)}  # TODO: jws, xmldsig or wssec; a guess",
        "",
        "[limits]",
        "timeout = 10.0  # seconds; TODO: limits of the contract",
    ]
    if contract.soap is not None:
        lines += ["", "[soap]", *(f"{key} = {writing.value(value)}" for key, value in contract.soap.items())]
    for one in contract.operations:
        lines += [
            "",
            *(_call(one, messages, contract.kind) if one.way == "call" else _door(name, one, messages)),
        ]
    return "\n".join(lines) + "\n"


def _call(one: Operation, messages: Messages, kind: str) -> Iterator[str]:
    yield "[[outbound]]" + (f"  # TODO: {WAY}" if kind == "openapi" else "")
    yield f"name = {writing.value(one.name)}"
    yield from (f"{part} = {writing.value(value)}" for part, value in one.call.items())
    body, answer = request_of(one), answer_of(one)
    if asked := _asked([part for part in (body, answer) if part is not None], messages):
        yield f"asks = {writing.value(asked)}  # its caller gives these"
    if body is not None:
        yield f"documents = [{writing.value(_document(body, messages))}]"
    if answer is not None:
        yield f"reply = {writing.value(_document(answer, messages))}"
        yield f"outcome = {writing.value(_outcome(answer))}  # TODO: {MEANT}"


def _asked(bodies: Iterable[Body], messages: Messages) -> list[str]:
    """What drafts without a message fill that the hub itself knows nothing of."""
    leaves = (leaf for body in bodies if messages.get(body.name) is None for leaf in body.scope.leaves)
    found = {context_name(leaf.name) for leaf in leaves} - ALWAYS - FACTS - {"document"}
    return sorted(name for name in found if name is not None)


def request_of(one: Operation) -> Body | None:
    """The document a call sends; a SOAP call always sends one."""
    missing = Body(snake(one.name), "xml") if "soap" in one.call else None
    return one.request or missing


def answer_of(one: Operation) -> Body | None:
    """The document that answers a call; SOAP answers nobody showed share one mapping."""
    missing = Body(SHARED_ANSWER, "xml", answer=True) if "soap" in one.call else None
    return one.answer or missing


def _document(body: Body, messages: Messages) -> dict[str, str]:
    kind = messages.get(body.name)
    return ({"type": kind} if kind else {}) | {"mapping": body.name}


def _outcome(answer: Body) -> dict[str, Any]:
    found = verdict_of(answer)
    if not answer.known:
        found_path = "TODO: where the answer says yes or no"
    elif found.code is None:
        return {"otherwise": "refused"}
    else:
        found_path = found.code
    text = {"text": found.text} if found.text else {}
    return {"path": found_path, "ok": [found.ok], **text, "errors": {}, "otherwise": "refused"}


def _door(name: str, one: Operation, messages: Messages) -> Iterator[str]:
    body = one.request
    if body is None:
        return
    path = str(one.call["rest"]["path"]).replace("{name}", name)
    yield "[[inbound]]"
    yield f"name = {writing.value(one.name)}"
    yield f"rest = {writing.value({'path': path if path.startswith(f'/{name}/') else f'/{name}{path}'})}"
    yield 'message_id = { by = "digest" }  # or by field, where the document has an identity of its own'
    yield f"documents = [{writing.value(_document(body, messages))}]"
    yield ""
    yield "[inbound.answer]  # TODO: what the contract answers"
    yield 'ok = { code = "0", msg = "success" }'
    yield 'refused = { code = "{code}", msg = "{detail}" }'
