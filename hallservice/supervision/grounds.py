"""Grounds on which a special procedure may stop the clock."""

import re

from canonical.messages import CaseSpecialStarted

LISTED = ("听证", "招标", "拍卖", "检验", "检测", "检疫", "鉴定", "专家评审")
"""行政许可法 art. 45; whatever else needs a legal basis of its own, named in the request."""
ART_45 = "《中华人民共和国行政许可法》第四十五条"
_ARTICLE = "第[一二三四五六七八九十百零〇0-9]+条"
_BASIS = re.compile(f"《[^》]+》|{_ARTICLE}")
_CITED = re.compile(rf"《[^》\s]{{1,100}}》(?:{_ARTICLE})?")


def is_lawful(said: CaseSpecialStarted) -> bool:
    """An extension has its own rules; else the procedure is listed, or its basis is named."""
    if said.kind == "extension" or any(word in said.name for word in LISTED):
        return True
    return any(_BASIS.search(text) for text in (said.reason, said.content or "", said.remark or ""))


def basis_of(name: str, reason: str) -> str:
    """The law a procedure rests on, as a notice names it: art. 45 for what is listed there, else what the
    reason cites; '' where it cites none."""
    if any(word in name for word in LISTED):
        return ART_45
    return "、".join(dict.fromkeys(_CITED.findall(reason)))[:300]
