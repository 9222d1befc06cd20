"""What a submission to the SMS gateway may say: texts, templates, and which messages are not sent."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mocks.partners.common.config import Config, ConfigError

MOBILE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
TEMPLATE = re.compile(r"S[0-9]{6}", re.ASCII)
PLACE = re.compile(r"\{([1-9][0-9]?)\}", re.ASCII)
STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
AGREED = {
    "S000001": "您的办件{1}（{2}）已受理，承诺{3}个工作日办结。",
    "S000002": "您的办件{1}已办结，结果为{2}。",
    "S000003": "请对办件{1}的服务作出评价，回复1至5的数字。",
}
"""Templates unless the configuration names its own."""


class Written(BaseModel):
    """One message of a submission: a text, or a template and what fills it."""

    model_config = STRICT
    mobile: str = Field(max_length=32)
    content: str | None = None
    templateId: str | None = Field(default=None, pattern=r"^S[0-9]{6}$")
    params: list[str] | None = None
    clientMsgId: str = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _one_form(self) -> Written:
        """Given is not the same as not null: a null is no text."""
        given = self.model_fields_set & {"content", "templateId", "params"}
        if given not in ({"content"}, {"templateId", "params"}):
            raise ValueError("either content, or templateId and params")
        if any(getattr(self, name) is None for name in given):
            raise ValueError("null")
        return self


class Submission(BaseModel):
    """The body of POST /sms/v1/submit."""

    model_config = STRICT
    ecName: str
    apId: str
    extCode: str
    messages: list[Written] = Field(min_length=1, max_length=500)
    sign: str
    mac: str


@dataclass(frozen=True)
class Sms:
    """One message as it would be sent."""

    mobile: str
    content: str
    clientMsgId: str
    extCode: str


class BadTemplate(Exception):
    """A template that was not agreed, or one that these params do not fill."""


def filled(template: str, params: Sequence[str]) -> str:
    """The template with `{1}` the first of the params; each stands somewhere, no place stays empty."""
    places = {int(place) for place in PLACE.findall(template)}
    if places != set(range(1, len(params) + 1)):
        raise BadTemplate("params")
    return PLACE.sub(lambda match: params[int(match[1]) - 1], template)


def made(written: Written, extension: str, sign: str, templates: Mapping[str, str]) -> Sms:
    """The message to send; the gateway puts the signature line before a template's text."""
    content = written.content
    if content is None:
        template = templates.get(written.templateId or "")
        if template is None:
            raise BadTemplate("templateId")
        content = sign + filled(template, written.params or [])
    return Sms(written.mobile, content, written.clientMsgId, extension)


def templates_of(config: Config) -> dict[str, str]:
    """Own key `templates`: lines such as "S000001 您的办件{1}已受理。"."""
    lines = [line.partition(" ") for line in config.texts("templates")]
    if any(not TEMPLATE.fullmatch(name) or not text for name, _, text in lines):
        raise ConfigError("templates: lines of S and six digits, a space and the text")
    return {name: text for name, _, text in lines} or dict(AGREED)


def mac(submission: Submission, secret: str) -> str:
    """Lower-case hex MD5 as the contract orders it."""
    mobiles = ",".join(message.mobile for message in submission.messages)
    text = submission.ecName + submission.apId + secret + mobiles + submission.sign + submission.extCode
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def segments(content: str) -> int:
    """Billed parts: one up to 70 characters, else one per 67."""
    return 1 if len(content) <= 70 else math.ceil(len(content) / 67)


@dataclass(frozen=True)
class Rules:
    """Which messages the gateway does not send."""

    sign: str
    blacklist: frozenset[str]
    sensitive: tuple[str, ...]

    def rejection(self, message: Sms) -> str:
        """The contract's code, "" if the message may be sent."""
        if not MOBILE.fullmatch(message.mobile):
            return "BADMOBILE"
        if not message.content.startswith(self.sign):
            return "NOSIGN"
        if message.mobile in self.blacklist:
            return "BLACKLIST"
        return "SENSITIVE" if any(word in message.content for word in self.sensitive) else ""
