"""Milliseconds a notice of the hall takes, against typst alone on the same template and data.

Run: python benchmarks/bench_papers.py [--pairs 40] [--slice 10] [--quick] [--output FILE]
An acceptance notice of five materials, each with its own numbers and names, so that nothing was laid out
before. The control is handed ready JSON (the QR code in it) and calls the compiler in its own process: no
check of the data, no digest, no QR code, no look at the fonts, no limits, no second process. Slices
alternate; both are warm.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rig
import typst

from hallservice.papers.code import code_of, qr_svg
from hallservice.papers.content import sheet_of
from hallservice.papers.fonts import FontSettings, font_set
from hallservice.papers.kinds import paper_from
from hallservice.papers.service import ARCHIVE, Papers
from hallservice.papers.typesetter import TEMPLATES
from hallservice.papers.wording import Wording

AIM_MS = 25
CASE = "441499000000202611221000001N"
NAMES = (
    "食品经营许可申请书",
    "营业执照",
    "与食品经营相适应的主要设备设施布局、操作流程文件",
    "保证食品安全的规章制度",
    "从业人员健康证明",
)


def notice(number: int) -> dict[str, Any]:
    """Of a case like many others; the number is in every text that differs between cases."""
    return {
        "kind": "acceptance",
        "doc_no": f"梅示市监受〔2026〕{number}号",
        "department": "梅州市示例区市场监督管理局",
        "issued_at": "2026-11-22T10:05:00+08:00",
        "case_no": CASE,
        "item": "食品经营许可（新办）",
        "applicant": f"梅州市示例客家小吃第{number}店",
        "window": {"staff": "张示例", "name": f"{number % 40 + 1}号综合窗口", "phone": "0753-0000000"},
        "accepted_at": "2026-11-22T10:00:00+08:00",
        "promised": {"number": 10, "unit": "working_day", "until": "2026-12-04"},
        "materials": [
            {"name": f"{name}（{number}）", "form": "复印件", "copies": row}
            for row, name in enumerate(NAMES, 1)
        ],
        "delivery": "邮寄送达（邮政特快专递）",
    }


def ready(number: int) -> dict[str, str]:
    """The same notice as the template takes it."""
    paper = paper_from(notice(number))
    code = str(code_of(paper))
    data = asdict(sheet_of(paper, Wording())) | {"code": code, "qr": qr_svg(code)}
    data["fonts"] = font_set(FontSettings()).lists
    return {"data": json.dumps(data, ensure_ascii=False)}


def control() -> Callable[[dict[str, str]], object]:
    """The compiler with the same fonts and template, in this process."""
    folders = list(font_set(FontSettings()).folders)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
    compiler = typst.Compiler(
        str(TEMPLATES / "paper.typ"), root=str(TEMPLATES), font_paths=fonts, ignore_system_fonts=True
    )
    return lambda inputs: compiler.compile(
        format="pdf", sys_inputs=inputs, pdf_standards=list(ARCHIVE), timestamp=1_795_312_800
    )


def cpu_ms(pids: Sequence[int]) -> float:
    """Ours and that of the typst processes."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return (own.ru_utime + own.ru_stime) * 1000 + sum(rig.cpu_ms(pid) for pid in pids)


def timed(act: Callable[[], object], pids: Sequence[int], size: int) -> tuple[float, float]:
    """Wall and CPU milliseconds of one of `size` notices."""
    cpu, begun = cpu_ms(pids), time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000 / size, (cpu_ms(pids) - cpu) / size


def pair(papers: Papers, bare: Callable[[dict[str, str]], object], first: int, size: int) -> dict[str, float]:
    """A slice of ours and one of the control, of different notices."""
    documents = [json.dumps(notice(first + each)).encode() for each in range(size)]
    inputs = [ready(first + size + each) for each in range(size)]
    ours, our_cpu = timed(
        lambda: [papers.render(paper_from(each)) for each in documents], papers.pids(), size
    )
    plain, plain_cpu = timed(lambda: [bare(each) for each in inputs], papers.pids(), size)
    return {"ours": ours, "control": plain, "ours_cpu": our_cpu, "control_cpu": plain_cpu}


def figures(pairs: int, size: int) -> dict[str, Any]:
    """Medians over the pairs."""
    bare = control()
    with Papers() as papers:
        begun = time.perf_counter()
        papers.render(paper_from(notice(1)))
        first_ms = (time.perf_counter() - begun) * 1000
        bare(ready(2))
        runs = [pair(papers, bare, 3 + number * 2 * size, size) for number in range(pairs)]
    return {
        "first_ms": round(first_ms, 1),
        "ms": median(runs, "ours"),
        "control_ms": median(runs, "control"),
        "ratio": round(statistics.median(run["ours"] / run["control"] for run in runs), 2),
        "cpu_ms": median(runs, "ours_cpu"),
        "control_cpu_ms": median(runs, "control_cpu"),
        "aim_ms": AIM_MS,
        "pairs": pairs,
        "slice": size,
    }


def median(runs: Sequence[dict[str, float]], name: str) -> float:
    return round(statistics.median(run[name] for run in runs), 2)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--slice", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="two pairs of two: shows that it works")
    parser.add_argument("--output", type=Path, default=Path("var/bench/results.json"))
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    found = figures(*((2, 2) if asked.quick else (asked.pairs, asked.slice)))
    rig.keep(asked.output, "papers", {"quick": asked.quick, **found})
    print(
        f"notice {found['ms']} ms (aim {AIM_MS}), typst alone {found['control_ms']} ms, "
        f"ratio {found['ratio']}; "
        f"CPU {found['cpu_ms']} and {found['control_cpu_ms']} ms; the first one {found['first_ms']} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
