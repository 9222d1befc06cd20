"""Money in yuan with two decimals, and moments on Beijing time; the JSON form of each is one string."""

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from canonical.errors import ValueRefused

BEIJING = timezone(timedelta(hours=8))

_CENT = Decimal("0.01")
_YUAN = "(?:0|[1-9][0-9]{0,13})(?:[.][0-9]{1,2})?"
_is_yuan = re.compile(_YUAN, re.ASCII).fullmatch
_MOMENT = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{3})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
_is_moment = re.compile(_MOMENT, re.ASCII).fullmatch
_YEARS = range(1900, 2200)


class Money(Decimal):
    """Yuan, never negative, at most 14 digits and exactly 2 decimals; from text or Decimal, never a float.

    A bare int is refused because partners mean yuan or fen by it: say which with `from_yuan` or `from_fen`.
    """

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        if type(value) is cls:
            return value
        return super().__new__(cls, _cents_from(value))

    @classmethod
    def from_fen(cls, fen: int) -> Self:
        """From hundredths of a yuan."""
        return cls(Decimal(_whole(fen)).scaleb(-2))

    @classmethod
    def from_yuan(cls, yuan: int) -> Self:
        """From a whole number of yuan."""
        return cls(Decimal(_whole(yuan)))

    @property
    def fen(self) -> int:
        return int(self.scaleb(2))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        return core_schema.no_info_plain_validator_function(cls, serialization=as_text)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "title": "Money",
            "description": "yuan (CNY)",
            "pattern": f"^{_YUAN}$",
            "maxLength": 17,
        }


def _cents_from(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return _cents_of(value)
    if not isinstance(value, str):
        raise ValueRefused("not_text", f"money is decimal text, not {type(value).__name__}")
    if len(value) > 17 or not _is_yuan(value):
        raise ValueRefused(
            "bad_form", "money has up to 14 digits and up to 2 decimals, no sign, no separator"
        )
    return Decimal(value).quantize(_CENT)


def _cents_of(value: Decimal) -> Decimal:
    if not value.is_finite() or value < 0 or value.adjusted() > 13:
        raise ValueRefused("out_of_range", "money lies between 0 and 99999999999999.99")
    cents = value.quantize(_CENT)
    if cents != value:
        raise ValueRefused("too_precise", "money has at most 2 decimals")
    return abs(cents)


def _whole(number: object) -> int:
    if type(number) is not int:
        raise ValueRefused("not_whole", f"a whole number is needed, not {type(number).__name__}")
    if not 0 <= number < 10**16:
        raise ValueRefused("out_of_range", "money lies between 0 and 99999999999999.99")
    return number


def timestamp(value: object) -> datetime:
    """A moment on Beijing time to the millisecond, from an aware datetime or ISO 8601 text with a zone.

    Refuses not_text, bad_form, no_zone, no_such_moment, out_of_range; finer parts of a datetime are cut off.
    """
    moment = value if isinstance(value, datetime) else _moment_from(value)
    if moment.utcoffset() is None:
        raise ValueRefused("no_zone", "a moment without a zone is not a moment")
    if moment.year not in _YEARS:
        raise ValueRefused("out_of_range", f"the year lies between {_YEARS[0]} and {_YEARS[-1]}")
    if moment.tzinfo is not BEIJING:
        moment = moment.astimezone(BEIJING)
    return (
        moment.replace(microsecond=moment.microsecond // 1000 * 1000) if moment.microsecond % 1000 else moment
    )


def _moment_from(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueRefused("not_text", f"a moment is text, not {type(value).__name__}")
    if len(value) > 29 or not _is_moment(value):
        raise ValueRefused("bad_form", "a moment is YYYY-MM-DDThh:mm:ss[.mmm] with Z or an offset")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueRefused("no_such_moment", "the calendar or the clock has no such moment") from None


def timestamp_text(moment: datetime) -> str:
    """ISO 8601 with +08:00; milliseconds only where there are any."""
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


Timestamp = Annotated[
    datetime,
    PlainValidator(timestamp),
    PlainSerializer(timestamp_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "description": "ISO 8601 with a zone; written with +08:00, to the second or the millisecond",
            "pattern": f"^{_MOMENT}$",
        }
    ),
]
