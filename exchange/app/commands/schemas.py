"""`tongban schemas`: the JSON Schema of every message type, for partners who check before they send."""

import argparse
import json
from pathlib import Path

from canonical.messages import PAYLOADS
from exchange.app import opening
from exchange.publishing.jsonschemas import ENVELOPE, message_schemas
from exchange.publishing.versions import declared

HELP = "write the JSON Schema of every message type to a folder"

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
        for name, schema in message_schemas(declared().rules).items():
            text = json.dumps(schema, ensure_ascii=False, indent=2)
            (args.directory / f"{name}.json").write_text(text + "\n", "utf-8")
    print(f"{len(PAYLOADS)} message types and {ENVELOPE} written to {args.directory}")
    return 0
