"""`tongban schemas`: the JSON Schema of every message type, for partners who check before they send."""

import argparse
import json
from pathlib import Path
from typing import Any

from canonical.messages import PAYLOADS, Message
from exchange.app import opening

HELP = "write the JSON Schema of every message type to a folder"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENVELOPE = "message.v1"

DETAILS = f"""\
<type>.json      the payload of one message type (JSON Schema 2020-12)
{ENVELOPE}.json  the whole document; it refers to the others by file name
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    parser.add_argument("directory", metavar="DIR", type=Path)


def run(args: argparse.Namespace) -> int:
    with opening.coded():
        args.directory.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas().items():
            text = json.dumps(schema, ensure_ascii=False, indent=2)
            (args.directory / f"{name}.json").write_text(text + "\n", "utf-8")
    print(f"{len(PAYLOADS)} message types and {ENVELOPE} written to {args.directory}")
    return 0


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by its name."""
    payloads = {kind: _named(kind, model.model_json_schema()) for kind, model in PAYLOADS.items()}
    return payloads | {ENVELOPE: _envelope()}


def _envelope() -> dict[str, Any]:
    schema = Message.model_json_schema()
    schema["properties"]["type"] = {"title": "Type", "enum": list(PAYLOADS)}
    schema["properties"]["payload"] = {"title": "Payload", "type": "object"}
    schema["allOf"] = [_payload_of(kind) for kind in PAYLOADS]
    return _named(ENVELOPE, schema)


def _payload_of(kind: str) -> dict[str, Any]:
    typed = {"properties": {"type": {"const": kind}}, "required": ["type"]}
    return {"if": typed, "then": {"properties": {"payload": {"$ref": f"{kind}.json"}}}}


def _named(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": f"{name}.json", **schema}
