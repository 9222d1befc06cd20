"""What papers are made of: materials, limits, fees, remedies."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from canonical.values import CaseNumber, Money
from hallservice.papers.text import Line, Maybe, Short, Text


class Part(BaseModel):
    """Frozen, nothing beyond what is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Unit = Literal["working_day", "day", "month"]


class Limit(Part):
    """A time limit as it is promised, and the day it ends where that is known."""

    number: Annotated[int, Field(ge=0, le=3650)]
    unit: Unit = "working_day"
    until: date | None = None


class Material(Part):
    """A material received (S3-29)."""

    name: Line
    form: Short = "原件"
    copies: Annotated[int, Field(ge=1, le=999)] = 1
    note: Maybe = ""


class WantedMaterial(Part):
    """A material to complete or correct (S3-32)."""

    name: Line
    problem: Text
    copies: Annotated[int, Field(ge=1, le=999)] = 1


class PaperRef(Part):
    """A document or certificate that is named, served or collected."""

    name: Line
    number: Maybe = ""
    copies: Annotated[int, Field(ge=1, le=999)] = 1


class FeeLine(Part):
    """One fee; quantity with at most three decimals."""

    code: Short
    name: Line
    standard: Line
    quantity: Annotated[Decimal, Field(gt=0, le=10**9, max_digits=12, decimal_places=3)]
    amount: Money


class Remedy(Part):
    """Where a decision is contested: 行政复议法 art. 20 (60 days), 行政诉讼法 art. 46 (6 months)."""

    review_body: Line
    court: Line
    review_days: Annotated[int, Field(ge=1, le=365)] = 60
    suit_months: Annotated[int, Field(ge=1, le=24)] = 6


class Finding(Part):
    """What a supervisor found in one case."""

    case_no: CaseNumber
    item: Line
    problem: Text
    level: Literal["提示", "预警", "黄牌", "红牌"]


class Slot(Part):
    """The hour of an appointment, `10:00` to `10:30`, on one day."""

    on: date
    start: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    end: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Window(Part):
    """Who is answerable at the counter, and how to reach them."""

    staff: Short
    name: Maybe = ""
    phone: Maybe = ""
