"""Certificate types: their codes, their field standards and versions, and the identifiers made of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mocks.partners.common.clock import is_date
from mocks.partners.common.codes import is_credit_code as is_credit_code

DATA = Path(__file__).with_name("certificate_types.toml")
MOD_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ROOT = "1.2.156.3005.2"
STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
DIGITS = re.compile(r"[0-9]+", re.ASCII)
Version = Annotated[str, Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}$")]  # major.minor


def is_type_code(text: str) -> bool:
    """Whether a text is 21 characters: the defining body's credit code and three digits."""
    serial = text[18:]
    return len(text) == 21 and is_credit_code(text[:18]) and serial.isascii() and serial.isdigit()


def check_character(text: str) -> str:
    """ISO/IEC 7064 MOD 37,36 over digits and capital letters, as GB/T 36904 asks."""
    product = 36
    for character in text:
        product = (product + MOD_ALPHABET.index(character)) % 36 or 36
        product = product * 2 % 37
    return MOD_ALPHABET[(37 - product) % 36]


def identifier(type_code: str, issuer: str, serial: str, version: int = 1) -> str:
    """The certificate identifier of GB/T 36904; a serial has nine digits, a version three."""
    parts = (type_code, issuer, serial, f"{version:03d}")
    return ".".join((ROOT, *parts, check_character("".join(parts))))


def type_in(name: str) -> str:
    """The type code inside an identifier, "" if the text is none."""
    parts = name.split(".")
    return parts[5] if len(parts) == 10 and name.startswith(f"{ROOT}.") else ""


class FieldRule(BaseModel):
    """One field of a type's standard; len is the most characters."""

    model_config = STRICT
    name: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=100)
    type: Literal["string", "date", "int"]
    len: int = Field(ge=1, le=1000)
    required: bool

    def takes(self, value: object) -> bool:
        """Whether a value follows the rule: a JSON text whatever the type."""
        if not isinstance(value, str) or not value or len(value) > self.len:
            return False
        if self.type == "int":
            return DIGITS.fullmatch(value) is not None
        return self.type == "string" or is_date(value)


class CertificateType(BaseModel):
    """One type of certificate in one version of its standard."""

    model_config = STRICT
    typeCode: str
    typeName: str = Field(min_length=1, max_length=100)
    version: Version = "1.0"
    fields: list[FieldRule] = Field(min_length=1, max_length=200)
    heldBy: str = Field(default="", max_length=200)  # the other system it lies in
    formats: list[Literal["pdf", "ofd"]] = Field(default=["pdf", "ofd"], min_length=1)

    @field_validator("typeCode")
    @classmethod
    def _code(cls, value: str) -> str:
        if not is_type_code(value):
            raise ValueError("credit code of the defining body and three digits")
        return value

    @field_validator("fields")
    @classmethod
    def _once(cls, value: list[FieldRule]) -> list[FieldRule]:
        if len({rule.name for rule in value}) != len(value):
            raise ValueError("a name stands twice")
        return value

    @property
    def age(self) -> tuple[int, int]:
        """Major and minor version, to compare."""
        major, minor = self.version.split(".")
        return int(major), int(minor)

    def said(self) -> dict[str, object]:
        """The answer of /cert/schema."""
        return self.model_dump(include={"typeCode", "typeName", "version", "fields"})

    def fault(self, values: Mapping[str, object]) -> str | None:
        """The first field that does not follow the standard, None if all do."""
        rules = {rule.name: rule for rule in self.fields}
        for name in values:
            if name not in rules:
                return name
        for name, rule in rules.items():
            if (name in values and not rule.takes(values[name])) or (name not in values and rule.required):
                return name
        return None


def cannot_follow(old: CertificateType, new: CertificateType) -> str:
    """Why `new` cannot be published after `old`, "" if it can (or is the same once more)."""
    if new.age == old.age:
        return "" if new == old else f"version {old.version} is another standard already"
    if new.age < old.age:
        return f"version {old.version} is published already"
    if new.age[0] > old.age[0]:
        return ""
    rules = {rule.name: rule for rule in new.fields}
    before = {rule.name for rule in old.fields}
    if any(rules.get(rule.name) != rule for rule in old.fields):
        return "a minor version changes no field"
    added = [rule for name, rule in rules.items() if name not in before]
    return "a minor version adds optional fields only" if any(rule.required for rule in added) else ""


class Catalogue(BaseModel):
    """The data file."""

    model_config = STRICT
    holder_types: list[str]
    default_fields: list[FieldRule]
    types: list[CertificateType]

    def general(self, raw: object) -> CertificateType:
        """A type told at run time, with the default fields unless it names its own; or ValidationError."""
        if isinstance(raw, dict) and "fields" not in raw:
            raw = raw | {"fields": [rule.model_dump() for rule in self.default_fields]}
        return CertificateType.model_validate(raw)


def load_catalogue(path: Path = DATA) -> Catalogue:
    """The types of the data file, checked."""
    raw = tomllib.loads(path.read_text("utf-8"))
    names = {"code": "typeCode", "name": "typeName", "held_by": "heldBy"}
    types = [{names.get(key, key): value for key, value in item.items()} for item in raw.pop("type")]
    return Catalogue.model_validate({**raw, "types": types})


def where(error: ValidationError) -> str:
    """The path of the first wrong member."""
    return ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"]) or "data"
