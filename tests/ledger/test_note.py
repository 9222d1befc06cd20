"""Notes and keys against the published example of Go's sumdb/note, and every way to get them wrong."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger import keys
from ledger.errors import LedgerError
from ledger.note import Signer, TreeHead, Verifier, open_checkpoint, parse_head

# golang.org/x/mod/sumdb/note, example_test.go
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
BASE64 = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
SIGNATURE = f"— PeterNeumann {BASE64}\n"
NOTE = f"{TEXT}\n{SIGNATURE}".encode()

SIGNER = Signer("log.example/1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
ROOT = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def code(vkey: str, note: bytes) -> str:
    with pytest.raises(LedgerError) as caught:
        Verifier.parse(vkey).open(note)
    return caught.value.code


def test_the_published_note_opens() -> None:
    assert Verifier.parse(VKEY).open(NOTE) == TEXT
    assert str(Verifier.parse(f" {VKEY}\n")) == VKEY


def test_the_published_key_signs_the_published_note(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    path.touch(0o600)
    path.write_text(SKEY)
    assert keys.load(path).vkey == VKEY
    assert keys.load(path).sign(TEXT).encode() == NOTE


@pytest.mark.parametrize("at", range(0, len(NOTE), 7))
def test_no_flipped_bit_passes(at: int) -> None:
    flipped = NOTE[:at] + bytes([NOTE[at] ^ 1]) + NOTE[at + 1 :]
    assert code(VKEY, flipped) in {"note_forged", "note_malformed", "note_unsigned"}


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace(b"\n\n", b"\n"),
        NOTE.replace(b"know", b"kn\x00w"),
        NOTE.replace(b"know", b"kn\xffw"),
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace("—".encode(), b"--"),
        NOTE.replace(b"AM=", b"AN="),  # the same bytes in a second spelling
        NOTE + SIGNATURE.encode(),  # one key twice
        NOTE + b"\xe2\x80\x94 \n",
        NOTE + SIGNATURE.replace("Peter", "P+ter").encode(),
        NOTE + SIGNATURE.encode() * 100,
        b"x" * 70_000,
    ],
)
def test_malformed_notes_are_refused(note: bytes) -> None:
    assert code(VKEY, note) == "note_malformed"


def test_unknown_signatures_are_passed_over() -> None:
    other = SIGNER.sign(TEXT).splitlines(keepends=True)[-1].encode()
    assert Verifier.parse(VKEY).open(NOTE + other) == TEXT
    assert code(SIGNER.vkey, NOTE) == "note_unsigned"


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_coded_error(note: bytes) -> None:
    assert code(VKEY, note).startswith("note_")


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("Peter", "Pater"),
        VKEY + "AAAA",
        VKEY[:-1] + "é",
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_mangled_keys_are_refused(vkey: str) -> None:
    with pytest.raises(LedgerError, match="note_malformed"):
        Verifier.parse(vkey)


def test_a_checkpoint_says_origin_size_root() -> None:
    note = SIGNER.sign(f"log.example/1\n0\n{ROOT}\n").encode()
    head = open_checkpoint(note, SIGNER.verifier)
    assert (head.origin, head.size, head.root.hex()[:8]) == ("log.example/1", 0, "e3b0c442")
    assert head.body() == f"log.example/1\n0\n{ROOT}\n"


@pytest.mark.parametrize("size", ["", "-1", "+1", "01", "1 ", "1e3", "0x1", "９", "1" * 30, str(2**63)])
def test_sizes_in_any_other_spelling_are_refused(size: str) -> None:
    with pytest.raises(LedgerError, match="note_malformed"):
        parse_head(f"log.example/1\n{size}\n{ROOT}\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"o\n1\n{ROOT[:-4]}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n\n{ROOT}\n",
    ],
)
def test_checkpoints_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(LedgerError, match="note_malformed"):
        parse_head(text)


def test_extension_lines_are_allowed() -> None:
    assert parse_head(f"o\n1\n{ROOT}\nmore\n").size == 1


def test_a_checkpoint_of_another_log_under_the_same_key_is_refused() -> None:
    note = SIGNER.sign(TreeHead("log.example/2", 0, bytes(32)).body()).encode()
    with pytest.raises(LedgerError, match="other_log"):
        open_checkpoint(note, SIGNER.verifier)


@pytest.mark.parametrize("text", ["no line break", "bell\x07\n", "cr\r\n"])
def test_nothing_odd_is_signed(text: str) -> None:
    with pytest.raises(LedgerError, match="note_malformed"):
        SIGNER.sign(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u2028b"])
def test_names_that_break_the_format_are_refused(name: str) -> None:
    with pytest.raises(LedgerError, match="note_malformed"):
        Signer(name, Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_a_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    made = keys.create(path, "市.example/1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.load(path).vkey == made.vkey
    with pytest.raises(LedgerError, match="key_exists"):
        keys.create(path, "other")
    path.chmod(0o640)
    with pytest.raises(LedgerError, match="key_exposed"):
        keys.load(path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"PRIVATE+KEY+a+b+c", SKEY.replace("c7", "c8").encode()])
def test_damaged_key_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="key_malformed"):
        keys.load(path)


def test_a_missing_key_and_a_missing_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="key_unreadable"):
        keys.load(tmp_path / "none")
    with pytest.raises(LedgerError, match="key_unwritable"):
        keys.create(tmp_path / "no" / "folder", "log")
