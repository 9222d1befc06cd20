"""How many acceptance messages a second one core decodes from JSON bytes, maps and validates.

Control: json.loads and plain pydantic validation of the same content in canonical form.
Run: PYTHONPATH=. python benchmarks/mapping.py
"""

import json
import statistics
import time
from collections.abc import Callable
from datetime import date

from canonical.messages import CaseAccepted
from canonical.values import RegionCode, complete_credit_code, make_case_number
from exchange.adapterfolder import load_adapters

ROUNDS, REPEATS = 2000, 7


def document() -> bytes:
    """Object 2 with every member and five materials, as department A is sent it."""
    body = str(complete_credit_code("11441400007208100"))
    members = {
        "SBLSH": str(make_case_number(RegionCode("441402000000"), date(2026, 11, 20), "2", 17)),
        "SXBM": f"{body}3440111105003", "XZQHDM": "441402", "SJBBH": 1,
        "YWLSH": "YW2026112000017", "PDH": "A017",
        "SLBMMC": "梅江区行政服务中心", "SLBMZZJDDM": body, "BLRXM": "张测试", "BLRGH": "W0102",
        "SLZTDM": "1",
        "BSLYY": "无", "SLHZH": "SL20261120000017", "SLSJ": "2026-11-20 09:31:07", "CXMM": "402817",
        "GDBLSX": 20, "GDBLSXDW": "G", "CNBLSX": 5, "CNBLSXDW": "G", "TJFS": "2", "BZ": "收费",
        "SLZLQD": [{"CLMC": f"申请材料之{n}", "CLSL": n, "SQFS": "1"} for n in range(1, 6)],
    }  # fmt: skip
    return json.dumps(members, ensure_ascii=False).encode()


def per_second(work: Callable[[], object]) -> float:
    """Documents a second, the median of the repeats."""

    def one() -> float:
        begun = time.perf_counter()
        for _ in range(ROUNDS):
            work()
        return ROUNDS / (time.perf_counter() - begun)

    return statistics.median(one() for _ in range(REPEATS))


def main() -> None:
    """Prints the three figures."""
    mapping = load_adapters()["department_a"].mappings["accepted"]
    wire = document()
    heard = mapping.hear(mapping.read(wire))
    plain = heard.model_dump_json(exclude_none=True)
    print(f"wire bytes {len(wire)}, canonical bytes {len(plain.encode())}")
    print(f"mapping: read and hear   {per_second(lambda: mapping.hear(mapping.read(wire))):8.0f} documents/s")
    print(
        f"mapping: say and write   {per_second(lambda: mapping.write(mapping.say(heard))):8.0f} documents/s"
    )
    control = per_second(lambda: CaseAccepted.model_validate(json.loads(plain)))
    print(f"control: loads, validate {control:8.0f} documents/s")


if __name__ == "__main__":
    main()
