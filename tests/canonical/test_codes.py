"""Code lists: published entries, one to one, and what a coded field accepts and publishes."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from canonical.codes import CodeList, Entry, code_list, code_list_keys, coded, parse_code_list
from canonical.errors import ValueRefused

PUBLISHED = {  # as the sources print them: code and Chinese label
    "item_type": "00 行政权力事项 01 行政许可 02 行政处罚 03 行政强制 04 行政征收 05 行政给付 06 行政检查 "
    "07 行政确认 08 行政奖励 09 行政裁决 10 其他类别事项 20 公共服务事项",
    "subject_nature": "1 法定机关 2 授权组织 3 受委托组织 9 其他",
    "service_object": "1 自然人 2 企业法人 3 事业法人 4 社会组织法人 5 行政机关 6 其他组织",
    "handling_form": "1 窗口办理 2 电脑端网上办理 3 移动端网上申请 4 快递申请 9 其他",
    "case_kind": "1 即办件 2 承诺件 9 其他",
    "satisfaction": "1 非常满意 2 满意 3 基本满意 4 不满意 5 非常不满意",
    "step_state": "1 待办 2 已办",
    "conclusion_result": "0 出证办结 1 退回办结 2 作废办结 3 删除办结 4 转报办结 5 补交不来办结 6 办结",
    "pre_review_result": "1 审核通过 2 不受理 3 补交补正",
    "approval_step": "1 承办 2 审核 3 批准",
    "applicant_type": "1 自然人 2 企业法人 3 事业法人 4 社会组织法人 5 非法人企业 6 行政机关 9 其他组织",
    "certificate_state": "01 有效 02 暂扣 03 撤销 04 注销 05 失效 06 办理转出 07 吊销 99 其他",
    "limit_unit": "1 工作日 2 自然日 3 月 4 年",
}


@pytest.mark.parametrize(("key", "printed"), PUBLISHED.items(), ids=list(PUBLISHED))
def test_the_published_entries(key: str, printed: str) -> None:
    words = printed.split()
    entries = code_list(key).entries
    assert [(entry.code, entry.label) for entry in entries] == list(zip(words[::2], words[1::2], strict=True))


@pytest.mark.req("S0-07")
def test_the_eleven_directory_categories_are_data() -> None:
    printed = (
        "人口计生 民政事务 教育事务 社会保障 培训就业 国土资源 城市管理 农村经济 城乡经济 住房管理 其他事务"
    )
    assert [entry.label for entry in code_list("directory_category").entries] == printed.split()


@pytest.mark.parametrize("key", code_list_keys())
def test_every_list_reads_both_ways_and_names_its_source(key: str) -> None:
    listed = code_list(key)
    assert listed.title and listed.source and listed.date
    for entry in listed.entries:
        assert listed.code(listed.name(entry.code)) == entry.code
        assert listed.label(entry.code) == listed.label_of(entry.name) == entry.label


def test_the_same_number_means_different_things_in_different_lists() -> None:
    assert (
        code_list("applicant_type").name("6") == code_list("service_object").name("5") == "government_organ"
    )
    assert code_list("special_kind").code("extension") == "A"
    assert code_list("special_procedure").code("extension") == "1"


@pytest.mark.parametrize("code", ["", "7", "１", "1\n", "01", "natural_person", None, 1, ["1"], {}])
def test_an_unknown_code_is_refused_never_guessed(code: object) -> None:
    listed = code_list("applicant_type")
    for look_up in (listed.name, listed.label, listed.code, listed.label_of):
        if code == "natural_person" and look_up in (listed.code, listed.label_of):
            continue
        with pytest.raises(ValueRefused) as caught:
            look_up(code)  # type: ignore[arg-type]  # hostile on purpose
        assert caught.value.code == "unknown_code"


@pytest.mark.parametrize(
    "key", ["", "nothing", "../regions-4414", "item_type.toml", "Item_Type", "a" * 5000, "a\0"]
)
def test_an_unknown_list_is_refused(key: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        code_list(key)
    assert caught.value.code == "unknown_code_list"


HEAD = 'title = "t"\nsource = "s"\ndate = "2020"\nchecked = true\n'


@pytest.mark.parametrize(
    "text",
    [
        HEAD + 'entries = [["1", "one", "一"], ["1", "two", "二"]]',
        HEAD + 'entries = [["1", "one", "一"], ["2", "one", "二"]]',
        HEAD + 'entries = [["1", "Not Snake", "一"]]',
        HEAD + 'entries = [["1", "one", ""]]',
        HEAD + 'entries = [["1", "one"]]',
        HEAD + "entries = []",
        HEAD,
        HEAD + 'surprise = 1\nentries = [["1", "one", "一"]]',
        "not toml",
    ],
)
def test_a_list_that_is_not_one_to_one_does_not_load(text: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        parse_code_list("broken", text)
    assert caught.value.code == "broken_code_list"


def test_a_list_is_frozen() -> None:
    listed = CodeList("k", "t", "s", "2020", True, (Entry("1", "one", "一"),))
    with pytest.raises(AttributeError):
        listed.title = "other"  # type: ignore[misc]  # frozen on purpose


ADAPTER = TypeAdapter(Annotated[str, coded("acceptance_result")])


def test_a_coded_field_carries_the_english_name_and_publishes_the_list() -> None:
    assert ADAPTER.validate_json('"accepted"') == "accepted" and ADAPTER.dump_json("refused") == b'"refused"'
    expected = {"type": "string", "enum": ["accepted", "refused"], "x-code-list": "acceptance_result"}
    assert ADAPTER.json_schema() == expected


@pytest.mark.parametrize("value", ["1", "Accepted", "accepted\n", "", None, 1, [], {"a": 1}])
def test_a_coded_field_refuses_anything_else_by_code(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(value)
    assert caught.value.errors()[0]["ctx"]["error"].code == "unknown_code"
