"""Reading and judging what a partner answers."""

from dataclasses import replace
from functools import partial
from typing import Any

from exchange.delivery.channel import Channel, Sent
from exchange.errors import HubError, Misconfigured, Refused, TryLater
from exchange.manifest import Call
from exchange.mapping import json
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.run import value_at
from exchange.mediatype import is_utf8
from exchange.transports.rest import Answer

NOTHING = "null"  # the word, where a sender has no value
HEADER = "@header"  # where an answer's result header stands beside its members


def tree_of(channel: Channel, answer: Answer) -> Any:
    if not is_utf8(answer.headers.get("content-type", "")):
        raise TryLater("answer_unreadable", "JSON is UTF-8, the label says otherwise", channel.party.name)
    try:
        return json.loads(answer.body)
    except HubError as fault:
        raise TryLater("answer_unreadable", fault.detail, channel.party.name) from fault


def result_of(channel: Channel, call: Call, result: str) -> Any:
    mapping = _reply_mapping(channel, call)
    try:
        return mapping.read(result)
    except Refused as fault:
        raise TryLater("answer_unreadable", fault.detail, channel.party.name) from fault


def _reply_mapping(channel: Channel, call: Call) -> Any:
    if call.reply is None or call.reply.mapping is None:
        raise Misconfigured("no_reply_mapping", "a SOAP call needs one", call.name)
    return channel.adapter.mappings[call.reply.mapping]


def judged(call: Call, tree: Any) -> tuple[str, str, str | None]:
    if call.outcome.path is None:
        return "ok", "ok", None
    code = value_at(tree, call.outcome.path)
    if code is None or (code == NOTHING and not call.outcome.names(code)):
        raise TryLater("answer_unreadable", f"the answer has no {call.outcome.path}")
    if wrong := call.outcome.differing(partial(value_at, tree)):
        raise TryLater("answer_contradicts", f"{wrong} and {call.outcome.same[wrong]} differ")
    text = value_at(tree, call.outcome.text) if call.outcome.text else None
    return code, call.outcome.judge(code), text


def with_reply(channel: Channel, call: Call, tree: Any, sent: Sent, context: dict[str, Any]) -> Sent:
    """The message of a good answer; of a row-wise list the rows that can be read, the others apart. What
    it says beyond its contract is a doubt: the same call again would bring the same."""
    reply = call.reply
    if sent.verdict != "ok" or reply is None or reply.type is None or reply.mapping is None:
        return sent
    heard = channel.adapter.mappings[reply.mapping].hear_answer(_body(call, tree), context)
    doubt = str(DocumentRefused(heard.unknown)) if heard.unknown else None
    return replace(sent, reply=(reply.type, heard.payload), broken=heard.broken, doubt=doubt)


def doubted(channel: Channel, call: Call, tree: Any, sent: Sent) -> Sent:
    """A good answer that brings no message is held against its mapping all the same."""
    reply = call.reply
    if sent.verdict != "ok" or tree is None or reply is None or reply.type or reply.mapping is None:
        return sent
    try:
        channel.adapter.mappings[reply.mapping].hear_values(_body(call, tree))
    except Refused as fault:
        return replace(sent, doubt=str(fault))
    return sent


def _body(call: Call, tree: Any) -> Any:
    """The answer without the header put beside its members."""
    if call.rest is None or call.rest.result_header is None or not isinstance(tree, dict):
        return tree
    return {name: value for name, value in tree.items() if name != HEADER}
