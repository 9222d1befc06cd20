"""Masking: what is hidden, what stays, and that no member holding a name is forgotten."""

import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import messages
from canonical.masking import NAMES, PEOPLE, masked
from canonical.messages import Model, Name
from canonical.values import complete_id_number

ID = str(complete_id_number("44149919800101001"))


def test_the_rules() -> None:
    given_ = {
        "case_no": "441499000000202611220000001X",
        "applicant": {"kind": "natural_person", "name": "欧阳小明", "document_no": ID},
        "contact": {"name": "李四", "mobile": "13800138000", "email": "lisi@example.org"},
        "summary": f"欧阳小明（{ID}）申请，电话13800138000，李四代办",
        "materials": [{"name": "身份证复印件", "count": 1}],
        "query_password": "123456",
        "holders": [{"name": "王五", "document_no": "E1234567"}],
        "fields": [{"name": "xm", "value": "王五"}],
        "clerk": "赵六",
    }
    hidden = ID[:6] + "*" * 10 + ID[-2:]
    assert masked(given_) == {
        "case_no": "441499000000202611220000001X",
        "applicant": {"kind": "natural_person", "name": "欧***", "document_no": hidden},
        "contact": {"name": "李*", "mobile": "138****8000", "email": "l***@example.org"},
        "summary": f"欧***（{hidden}）申请，电话138****8000，李*代办",
        "materials": [{"name": "身份证复印件", "count": 1}],
        "query_password": "******",
        "holders": [{"name": "王*", "document_no": "E******7"}],
        "fields": [{"name": "xm", "value": "王*"}],
        "clerk": "赵*",
    }


def test_every_name_of_every_message_is_known() -> None:
    """A member of type Name is in NAMES, or is the `name` of a model that only occurs under PEOPLE."""
    models = [one for one in vars(messages).values() if isinstance(one, type) and issubclass(one, Model)]
    people = {model for model in models if get_type_hints(model, include_extras=True).get("name") is Name}
    known = {"Applicant", "Contact", "Officer", "Holder", "ParcelEnd", "DirectoryStaff"}
    assert {model.__name__ for model in people} == known
    for model in models:
        for field, hint in get_type_hints(model, include_extras=True).items():
            if hint is Name and field != "name":
                assert field in NAMES, (model, field)
            if any(person.__name__ in str(hint) for person in people):
                assert field in PEOPLE, (model, field)


@pytest.mark.parametrize("value", [None, 1, True, [], {}, "", "12345678901", "1" * 28, {"a": None}])
def test_other_values_stay(value: Any) -> None:
    assert masked(value) == value


@given(
    name=st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=2, max_size=6),
    serial=st.integers(0, 999),
    mobile=st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    around=st.sampled_from(["", "，", "电话", " "]),
)
def test_nothing_personal_is_left(name: str, serial: int, mobile: str, around: str) -> None:
    number = str(complete_id_number(f"44149919800101{serial:03d}"))
    text = f"{around}{name}{around}{number}，{mobile}{around}"
    shown = json.dumps(masked({"payer": name, "remark": text, "document_no": number}), ensure_ascii=False)
    assert number not in shown and mobile not in shown
    assert name not in shown or len(set(name)) == 1
