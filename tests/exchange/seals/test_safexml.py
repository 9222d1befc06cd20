"""The hardened parser: what it reads, what it refuses with which code, and that refusing is cheap."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from exchange.errors import HubError
from exchange.seals import safexml
from exchange.seals.safexml import Limits, decode, parse, parse_text

NAME = "通办㐂𠮷"  # U+3402 and U+20BB7 are in GB18030 and not in GB2312


def code_of(body: bytes, charset: str | None = None, limits: Limits = safexml.LIMITS) -> str:
    with pytest.raises(HubError) as refusal:
        parse(body, charset=charset, limits=limits)
    return refusal.value.code


@pytest.mark.parametrize("label", ["gbk", "GBK", "gb2312", "GB18030", " gb18030 "])
def test_the_gbk_family_is_read_as_gb18030(label: str) -> None:
    assert parse(f"<a>{NAME}</a>".encode("gb18030"), charset=label).text == NAME


@pytest.mark.parametrize("declared", ["GBK", "gb2312", "GB18030"])
def test_the_declaration_is_used_when_the_transport_says_nothing(declared: str) -> None:
    body = f'<?xml version="1.0" encoding="{declared}"?>\n<a>{NAME}</a>'.encode("gb18030")
    assert parse(body).text == NAME


UTF8_HEADS = [
    "", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='UTF-8'?>", "\ufeff",
    "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes' ?>",
]  # fmt: skip


@pytest.mark.parametrize("head", UTF8_HEADS)
@pytest.mark.parametrize("charset", [None, "", "utf-8", "UTF8"])
def test_utf8_with_and_without_mark_and_declaration(head: str, charset: str | None) -> None:
    assert parse(f"{head}<a>{NAME}</a>".encode(), charset=charset).text == NAME


def test_every_gb18030_character_survives() -> None:
    text = "".join(map(chr, [*range(0xA0, 0xD800), *range(0xE000, 0xFFFE), *range(0x20000, 0x20100)]))
    assert parse(f"<a>{text}</a>".encode("gb18030"), charset="GBK").text == text


WRONG_CHARSET: list[tuple[bytes, str | None]] = [
    (f"<a>{NAME}</a>".encode("gb18030"), None),
    (f"<a>{NAME}</a>".encode("gb18030"), "utf-8"),
    (b"<a>\xff</a>", "gbk"),
    (b"<?xml version='1.0' encoding='GBK'?><a/>", "utf-8"),
    (b"<?xml version='1.0' encoding='UTF-8'?><a/>", "gbk"),
    ("\ufeff<a/>".encode(), "gbk"),
    ("\ufeff<?xml version='1.0' encoding='GBK'?><a/>".encode(), None),
    ("\ufeff<a/>".encode("gb18030"), "gb18030"),
    ("<a>名</a>".encode("utf-16"), None),
    ("<a>名</a>".encode("utf-16-le"), None),
    ("<a>名</a>".encode("utf-32"), "utf-8"),
    (b"<a>\x00</a>", None),
    (b"<a>\xed\xa0\x80</a>", None),
]


@pytest.mark.parametrize(("body", "charset"), WRONG_CHARSET)
def test_a_wrong_label_is_a_bad_request(body: bytes, charset: str | None) -> None:
    assert code_of(body, charset) == "bad_request"


@pytest.mark.parametrize(
    "charset", ["utf-16", "latin-1", "big5", "utf-7", "us-ascii", "rot13", "unicode_escape", "x" * 99]
)
def test_another_character_set_is_a_bad_media_type(charset: str) -> None:
    assert code_of(b"<a/>", charset) == "bad_media_type"
    assert (
        code_of(f"<?xml version='1.0' encoding='{charset.replace('_', '-')}'?><a/>".encode())
        == "bad_media_type"
    )


FORBIDDEN = [
    b"", b" ", b"x", b"<a>", b"<a></b>", b"<a/><b/>", b"<a/>tail", b"{}", b"<a b='1' b='2'/>", b"<p:a/>",
    b"<a>&x;</a>", b"<a>&#0;</a>", b"<a>\x01</a>", b"<a>]]></a>",
    b"<!DOCTYPE a><a/>",
    b"<!-- x -->\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b"<!DOCTYPE a [<!ENTITY % b SYSTEM 'http://127.0.0.1:9/'>%b;]><a/>",
    b"<?xml version='1.0'?><!DOCTYPE a><a/>",
    b"<?xml-stylesheet href='x'?><a/>", b"<a><?php x?></a>", b"<a/><?x y?>", b"<a/>\n<!-- c --><?x?>",
    b" <?xml version='1.0'?><a/>", b"<?xml version='1.1'?><a/>", b"<?xml?><a/>", b"<?xml version='1.0' <a/>",
    b"<?xml version='1.0'?><?xml version='1.0'?><a/>",
]  # fmt: skip


@pytest.mark.parametrize("body", FORBIDDEN)
def test_forbidden_or_broken_documents(body: bytes) -> None:
    assert code_of(body) == "bad_request"


def test_entity_bombs_are_refused_at_once() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "ha">{levels}]><a>&e11;</a>'.encode()
    began = time.perf_counter()
    assert code_of(bomb) == "bad_request"
    assert time.perf_counter() - began < 0.5


TOO_LARGE: list[bytes] = [
    b"<a>" * 65 + b"</a>" * 65,
    b"<a>" * 100_000 + b"</a>" * 100_000,
    b"<a>" + b"<b/>" * 20_000 + b"</a>",
    b"<a>" + b"<b/>" * 900_000 + b"</a>",
    b"<a " + b" ".join(b"x%d='1'" % n for n in range(33)) + b"/>",
    b"<a " + b" ".join(b"x%d='1'" % n for n in range(200_000)) + b"/>",
    b"<a " + b" ".join(b"xmlns:n%d='u'" % n for n in range(50_000)) + b"/>",
    b"<a>" + b" " * (4 * 1024 * 1024) + b"</a>",
    b"<" + b"n" * 60_000 + b"/>",
]


@pytest.mark.parametrize("body", TOO_LARGE, ids=lambda body: f"{body[:14]!r}…{len(body)}")
def test_what_is_too_large_is_refused_quickly(body: bytes) -> None:
    began = time.perf_counter()
    assert code_of(body) == "too_large"
    assert time.perf_counter() - began < 2


def test_documents_at_the_limits_are_read() -> None:
    assert parse(b"<a>" * 64 + b"</a>" * 64).tag == "a"
    assert len(parse(b"<a>" + b"<b/>" * 19_999 + b"</a>")) == 19_999
    assert len(parse(b"<a " + b" ".join(b"x%d='1'" % n for n in range(32)) + b"/>").attrib) == 32
    assert len(parse(b"<a>" + b"x" * (4 * 1024 * 1024 - 7) + b"</a>").text) == 4 * 1024 * 1024 - 7


def test_comments_do_not_split_text() -> None:
    root = parse(b"<!-- <!DOCTYPE a> --><a>C-<!-- x -->1<b/>t<!-- y -->u</a><!-- z -->")
    assert (root.text, root[0].tail, len(root)) == ("C-1", "tu", 1)


def test_predefined_and_numeric_references_are_read() -> None:
    assert parse(b"<a>&lt;&amp;&#x4E2D;<![CDATA[<!DOCTYPE x>&amp;]]></a>").text == "<&中<!DOCTYPE x>&amp;"


def test_a_document_inside_a_string_ignores_its_declaration() -> None:
    assert parse_text(f'<?xml version="1.0" encoding="GBK"?>\n<a>{NAME}</a>').text == NAME
    for text in ("", "<a>\ud800</a>", "<!DOCTYPE a><a/>", "<?xml bad?><a/>", "<a>\x00</a>"):
        with pytest.raises(HubError, match="bad_request"):
            parse_text(text)


def test_the_whole_of_a_text_is_returned_without_its_declaration() -> None:
    assert decode("<?xml version='1.0' encoding='gbk'?><a>名</a>".encode("gbk")) == "<a>名</a>"


NEARLY_XML = st.text(alphabet="<>a/&;!?[]='\" \u0000é名", max_size=60).map(str.encode)


@given(body=st.binary(max_size=200) | NEARLY_XML, charset=st.sampled_from([None, "utf-8", "gbk"]))
def test_any_bytes_give_a_tree_or_our_refusal(body: bytes, charset: str | None) -> None:
    try:
        root: Any = parse(body, charset=charset)
    except HubError as refusal:
        assert refusal.code in {"bad_request", "too_large", "bad_media_type"}
    else:
        assert etree.iselement(root)
