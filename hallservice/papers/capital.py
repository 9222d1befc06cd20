"""Amounts in the capital numerals of 《支付结算办法》 annex 1: 105.30 is 壹佰零伍元叁角整."""

from canonical.values import Money

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")


def in_capitals(amount: Money) -> str:
    """整 follows where no 分 is written; a zero between digits is written once."""
    yuan, cents = divmod(amount.fen, 100)
    whole = f"{_whole(yuan)}元" if yuan else ""
    return (whole + _cents(cents, bool(yuan))) or "零元整"


def _cents(cents: int, after_yuan: bool) -> str:
    jiao, fen = divmod(cents, 10)
    if not cents:
        return "整" if after_yuan else ""
    head = f"{_DIGITS[jiao]}角" if jiao else ("零" if after_yuan else "")
    return head + (f"{_DIGITS[fen]}分" if fen else "整")


def _whole(yuan: int) -> str:
    groups = [(yuan // 10_000**power % 10_000, _GROUPS[power]) for power in (3, 2, 1, 0)]
    text = ""
    for value, name in groups:
        gap = bool(text) and value < 1000 and not text.endswith("零")
        text += ("零" if gap else "") + (_group(value) + name if value else "")
    return text.rstrip("零")


def _group(value: int) -> str:
    text = ""
    for power in (3, 2, 1, 0):
        digit = value // 10**power % 10
        if digit:
            text += _DIGITS[digit] + _PLACES[power]
        elif text and not text.endswith("零"):
            text += "零"
    return text.rstrip("零")
