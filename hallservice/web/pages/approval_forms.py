"""Forms of the approval desk as the services take them."""

from collections.abc import Callable, Mapping
from typing import Any

from hallservice.flows import instances
from hallservice.refusals import FieldFault, FormRefused
from hallservice.web.context import Context
from hallservice.web.forms import Form


def fields_of(ctx: Context, verb: str, form: Form) -> dict[str, Any]:
    """The form's fields as `instances.act` takes them."""
    given: dict[str, Any] = {"opinion": form.one("opinion")}
    if verb not in ("resumed", "resupplied"):
        given["step"] = form.one("step")
    return given | _MORE.get(verb, _nothing)(ctx, form)


def _nothing(ctx: Context, form: Form) -> dict[str, Any]:
    return {}


def _passed(ctx: Context, form: Form) -> dict[str, Any]:
    found = instances.of_case(ctx.hall, ctx.clerk, ctx.path["case_no"])
    facts, faults = {}, []
    for fact in found.plan.definition.fields:
        text = form.one(f"fact_{fact.name}")
        if not text:
            continue
        value = as_fact(text, fact.type)
        if value is None:
            faults.append(FieldFault(f"fact_{fact.name}", "bad_fact", f"“{fact.label}”填写不正确"))
        else:
            facts[fact.name] = value
    if faults:
        raise FormRefused(faults)
    return {"facts": facts}


def as_fact(text: str, kind: str) -> bool | int | str | None:
    """What was typed as a fact of that type; None if it is none."""
    if kind == "boolean":
        return {"1": True, "0": False}.get(text)
    if kind == "integer":
        return int(text) if text.lstrip("-").isdecimal() and len(text) < 16 else None
    if kind == "money" and "." not in text:
        return f"{text}.00"
    return text


def _returned(ctx: Context, form: Form) -> dict[str, Any]:
    to = form.one("to", "previous")
    return {"to": to, "target": form.one("target") or None if to == "chosen" else None}


def _given(ctx: Context, form: Form) -> dict[str, Any]:
    return {"to": form.one("to")}


def _who(form: Form) -> list[str]:
    """People ticked, and staff numbers of other bodies as typed."""
    typed = form.one("others").replace("，", " ").replace("、", " ").replace(",", " ").split()
    return list(dict.fromkeys([*form.all("who"), *typed]))


def _signers(ctx: Context, form: Form) -> dict[str, Any]:
    return {"who": _who(form), "where": form.one("where", "before")}


def _panel(ctx: Context, form: Form) -> dict[str, Any]:
    share = form.one("share", "0") or "0"
    need = form.one("need", "all")
    return {
        "who": _who(form),
        "need": need,
        "share": int(share) if share.isdecimal() and need == "share" else 0,
    }


def _ask(ctx: Context, form: Form) -> dict[str, Any]:
    days = form.one("days", "0") or "0"
    return {
        "kind": form.one("kind"), "days": int(days) if days.isdecimal() and len(days) < 5 else days,
        "ground": form.one("ground") if form.one("kind") == "suspension" else "",
    }  # fmt: skip


_MORE: Mapping[str, Callable[[Context, Form], dict[str, Any]]] = {
    "passed": _passed,
    "returned": _returned,
    "transferred": _given,
    "delegated": _given,
    "signer_added": _signers,
    "signer_removed": lambda ctx, form: {"who": form.one("who")},
    "countersigned": _panel,
    "signed": lambda ctx, form: {"agree": form.one("agree") == "1"},
    "asked": _ask,
    "answered": lambda ctx, form: {"kind": form.one("kind"), "grant": form.one("grant") == "1"},
}
