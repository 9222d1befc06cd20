"""Grounds on which a special procedure may stop the clock."""

import re

from canonical.messages import CaseSpecialStarted

LISTED = ("听证", "招标", "拍卖", "检验", "检测", "检疫", "鉴定", "专家评审")
"""行政许可法 art. 45; whatever else needs a legal basis of its own, named in the request."""
_BASIS = re.compile("《[^》]+》|第[一二三四五六七八九十百零〇0-9]+条")


def is_lawful(said: CaseSpecialStarted) -> bool:
    """An extension has its own rules; else the procedure is listed, or its basis is named."""
    if said.kind == "extension" or any(word in said.name for word in LISTED):
        return True
    return any(_BASIS.search(text) for text in (said.reason, said.content or "", said.remark or ""))
