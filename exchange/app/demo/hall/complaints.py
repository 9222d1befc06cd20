"""Two complaints of the demonstration: one by telephone that waits, one by visit that was answered."""

from collections.abc import Sequence

from sqlalchemy import func, select

from exchange.app.demo.hall import site
from exchange.app.demo.hall.site import Body
from hallservice.complaints import register, resolve
from hallservice.complaints.register import Complaint
from hallservice.complaints.tables import hall_complaint
from hallservice.hall import Hall

SUPERVISOR = "jiancha"


def seed(hall: Hall, bodies: Sequence[Body]) -> None:
    """Once; later runs find them there."""
    taken = select(func.count()).where(hall_complaint.c.staff_no.is_not(None))
    if hall.read(lambda connection: connection.execute(taken).scalar_one()):
        return
    called = Complaint(
        "telephone", organisation=bodies[0].uscc if bodies else "", title="窗口电话长时间无人接听",
        content="昨天下午三点起连续拨打咨询电话六次，均无人接听，希望安排专人值守。",
        complainant="蓝晓梅", mobile="13800000021",
    )  # fmt: skip
    came = Complaint(
        "visit", title="自助取号机排队提示不清楚", complainant="古海生", mobile="13800000022",
        content="大厅自助取号机没有提示当前等候人数，等了四十分钟才知道号已经过了。",
    )  # fmt: skip
    register.register(hall, site.clerk(hall, "chuangkou", "A01"), called)
    made = register.register(hall, site.clerk(hall, "chuangkou2", "A02"), came)
    reply = "经核实，取号机屏幕当天故障，现已修复，并在等候区增设叫号显示屏。感谢您的监督。"
    resolve.resolve(hall, site.clerk(hall, SUPERVISOR), made.id, "substantiated", reply)
