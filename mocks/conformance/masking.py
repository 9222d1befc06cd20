"""What may stand in a report: personal data masked, secrets and tokens never, signatures cut short."""

from __future__ import annotations

import re

from canonical.masking import name_masked, text_masked

LONGEST = 1200  # characters of one message shown
_SECRET = re.compile(r'("(?:accessToken|token|digest|secret|mac|password|CXMM)"\s*:\s*")([^"]{4})[^"]*(")')
_SECRET_XML = re.compile(r"(<(TOKEN|DIGEST|token|CXMM)>)([^<]{0,4})[^<]*(</)")
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{120,}")
_NAME = re.compile(
    r'("(?:SQRMC|LXRXM|BLRXM|SPRXM|LQRXM|BZGZFCRXM|BZSLBLRXM|name|payer|contact|linkman|signer)"\s*:\s*")([^"]+)(")'
)
_NAME_ROW = re.compile(r"\b((?:applyname|username|approver)=)([^;\n]+)")
_NAME_XML = re.compile(r"(<(PAYER|CLERK|SQRMC|XM|BLR|APPLYNAME|LINKMAN|USERNAME|APPROVER|PZR)>)([^<]+)(</)")


def shown(body: bytes | str) -> str:
    """A message as a person may see it."""
    text = body if isinstance(body, str) else decoded(body)
    text = _SECRET.sub(r"\1\2…\3", text)
    text = _SECRET_XML.sub(r"\1\3…\4", text)
    text = _NAME.sub(lambda found: found[1] + name_masked(found[2]) + found[3], text)
    text = _NAME_ROW.sub(lambda found: found[1] + name_masked(found[2]), text)
    text = _NAME_XML.sub(lambda found: found[1] + name_masked(found[3]) + found[4], text)
    text = _LONG.sub(lambda found: f"{found[0][:12]}…({len(found[0])})", text_masked(text))
    seen = "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text[:LONGEST])
    return seen if len(text) <= LONGEST else f"{seen}… ({len(text)})"


def decoded(body: bytes) -> str:
    """Bytes as text, in UTF-8 or GB18030, whatever fits."""
    body = body[: LONGEST * 8]
    for codec in ("utf-8", "gb18030"):
        try:
            return body.decode(codec)
        except UnicodeDecodeError:
            continue
    return body.decode("utf-8", "replace")
