"""AsyncAPI 3.0 of the queue faces: the hub's own exchange, and what every partner's contract names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exchange.adapterfolder import Adapter
from exchange.manifest import Call, Document, Inbound, Queue
from exchange.publishing import doors
from exchange.publishing.embedding import embedded, reference
from exchange.publishing.wirevalues import Way

Schema = dict[str, Any]
JSON = "application/json"
BINDING = "0.3.0"
HOUSE = "tongban"
_SEAL: Schema = {
    "type": "string",
    "description": "Detached JWS over the raw body; protected: alg, b64, crit, kid, iat, nonce, exchange, "
    "routing_key",
    "pattern": r"^[A-Za-z0-9_\-]+\.\.[A-Za-z0-9_\-]+$",
}


def asyncapi(adapters: Mapping[str, Adapter], schemas: Mapping[str, Schema], version: str) -> Schema:
    """The whole document; `schemas` are the canonical ones by name."""
    parts = [_house(), *(_partner(adapter) for adapter in adapters.values())]
    channels = {name: one for part in parts for name, one in part["channels"].items()}
    operations = {name: one for part in parts for name, one in part["operations"].items()}
    named = _names(channels)
    used = {name: one for name, one in doors.wire_schemas(adapters).items() if name in named}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tongban 通办: queue faces of the exchange hub",
            "version": version,
            "description": "Topic exchanges of RabbitMQ, or the SQLite file of docs/wire.md §6. All messages "
            "persistent, mandatory and confirmed; at most 4 MB. The hub declares exchanges and queues.",
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": operations,
        "components": {"schemas": embedded({**schemas, **used})},
    }


def _names(channels: Schema) -> set[str]:
    """The names of the schemas that the channels' messages refer to."""
    messages = [message for channel in channels.values() for message in channel["messages"].values()]
    return {str(one["payload"]["$ref"]).rpartition("/")[2] for one in messages if "$ref" in one["payload"]}


def _house() -> Schema:
    of = f"of exchange {HOUSE}"
    receipt = _message("receipt", reference("receipt.v1"), _headers({}, correlated=True))
    document = _message("document", reference("message.v1"), _headers({}))
    channels = {
        "house_in": _by_key("in.{party}", HOUSE, {"document": document}, "What a house party sends"),
        "house_receipt": _by_queue(
            "tongban.receipt.{party}", {"receipt": receipt}, "Key receipt.{party} " + of
        ),
        "house_out": _by_queue("tongban.out.{party}", {"document": document}, "Key out.{party}.{type} " + of),
    }
    operations = {
        "receive_house_in": _operation("receive", "house_in", ["document"], "house_receipt", ["receipt"]),
        "send_house_receipt": _operation("send", "house_receipt", ["receipt"]),
        "send_house_out": _operation("send", "house_out", ["document"]),
    }
    return {"channels": channels, "operations": operations}


def _partner(adapter: Adapter) -> Schema:
    channels: Schema = {}
    operations: Schema = {}
    for entry in adapter.inbound:
        if entry.amqp is not None:
            _inbound(adapter, entry, channels, operations)
    for call in adapter.outbound:
        if call.amqp is not None:
            _outbound(adapter, call, channels, operations)
    for queue in adapter.queues:
        channels[f"{adapter.name}_queue_{doors.plain(queue.name)}"] = _queue(queue, adapter)
    return {"channels": channels, "operations": operations}


def _inbound(adapter: Adapter, entry: Inbound, channels: Schema, operations: Schema) -> None:
    door, name = entry.amqp, f"{adapter.name}_{doors.plain(entry.name)}"
    if door is None:
        return
    messages = _messages(adapter, entry.documents, "hear", door.headers)
    if entry.pull is not None:
        says = (
            f"Names a document (text matching {entry.pull.pattern}); the hub fetches it by {entry.pull.call}"
        )
        messages = {"notice": _message("notice", {"description": says}, _headers(door.headers))}
    says = f"{adapter.title}: {entry.name}; the hub reads queue {door.queue}"
    channels[name] = _by_key(door.routing_key, door.exchange, messages, says)
    answer = entry.answer
    if answer is not None and answer.exchange is not None and answer.routing_key is not None:
        payload = doors.alternatives(
            [doors.template_schema(answer.ok), doors.template_schema(answer.refused)]
        )
        told = {"answer": _message("answer", payload, _headers({}, correlated=True))}
        channels[f"{name}_answer"] = _by_key(
            answer.routing_key, answer.exchange, told, f"Answers to {entry.name}"
        )
        operations[f"send_{name}_answer"] = _operation("send", f"{name}_answer", ["answer"])
        operations[f"receive_{name}"] = _operation(
            "receive", name, list(messages), f"{name}_answer", ["answer"]
        )
    else:
        operations[f"receive_{name}"] = _operation("receive", name, list(messages))


def _outbound(adapter: Adapter, call: Call, channels: Schema, operations: Schema) -> None:
    sent, name = call.amqp, f"{adapter.name}_{doors.plain(call.name)}"
    if sent is None:
        return
    messages = _messages(adapter, call.documents, "say", sent.headers)
    channels[name] = _by_key(sent.routing_key, sent.exchange, messages, f"{adapter.title}: {call.name}")
    operations[f"send_{name}"] = _operation("send", name, list(messages))


def _messages(
    adapter: Adapter, documents: tuple[Document, ...], way: Way, headers: Mapping[str, str]
) -> Schema:
    made: Schema = {}
    for document in documents:
        media, schema = doors.content(adapter, document, way)
        one = _message(document.type or document.mapping, schema, _headers(headers, document.object)) | {
            "contentType": media
        }
        made[
            doors.plain(f"{document.mapping}_{document.object}" if document.object else document.mapping)
        ] = one
    return made


def _message(title: str, payload: Schema, headers: Schema) -> Schema:
    return {"title": title, "contentType": JSON, "headers": headers, "payload": payload}


def _headers(more: Mapping[str, str], object_: str | None = None, correlated: bool = False) -> Schema:
    """The AMQP headers, and the properties told beside them."""
    extra = {name: _header(template, object_) for name, template in more.items()}
    says = "Properties: message_id, content_type, timestamp" + (
        ", correlation_id = the id answered" if correlated else ""
    )
    members = {"X-Gov-Signature": _SEAL, **extra}
    return {"type": "object", "description": says, "properties": members, "required": list(members)}


def _header(template: str, object_: str | None) -> Schema:
    if template == "{object}" and object_ is not None:
        return {"const": object_}
    return {"type": "string"} if "{" in template else {"const": template}


def _by_key(key: str, exchange: str, messages: Schema, says: str) -> Schema:
    binding = {"is": "routingKey", "exchange": {"name": exchange, "type": "topic", "durable": True}}
    return _channel(key, messages, says, binding)


def _by_queue(name: str, messages: Schema, says: str) -> Schema:
    binding = {
        "is": "queue",
        "queue": {"name": name, "durable": True, "exclusive": False, "autoDelete": False},
    }
    return _channel(name, messages, says, binding)


def _queue(queue: Queue, adapter: Adapter) -> Schema:
    dead = f"; dead letters to exchange {queue.dead_letter}" if queue.dead_letter else ""
    says = f"{adapter.title}: queue bound to exchange {queue.exchange} by {queue.routing_key}{dead}"
    return _by_queue(queue.name, {}, says)


def _channel(address: str, messages: Schema, says: str, binding: Schema) -> Schema:
    found = {"address": address, "description": says, "messages": messages}
    names = doors.parameters(address)
    bound = {"bindings": {"amqp": {**binding, "bindingVersion": BINDING}}}
    return found | ({"parameters": names} if names else {}) | bound


def _operation(
    action: str, channel: str, messages: list[str], reply: str | None = None, replies: list[str] | None = None
) -> Schema:
    """What the hub does at a channel."""
    how: Schema = {"deliveryMode": 2, "mandatory": True} if action == "send" else {"ack": True}
    made: Schema = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
        "bindings": {"amqp": {"bindingVersion": BINDING, **how}},
    }
    if reply is not None:
        targets = [{"$ref": f"#/channels/{reply}/messages/{name}"} for name in replies or []]
        made["reply"] = {"channel": {"$ref": f"#/channels/{reply}"}, "messages": targets}
    return made
