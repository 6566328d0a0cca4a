"""Secrets at rest: sealed, bound to their record, and unreadable under another key."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.secrets.cipher import Cipher, derive_key, load_or_make_secret
from media.base.errors import HubError

URL = "rtsp://admin:p%40ss@192.168.1.64:554/Streaming/Channels/101"


@given(st.text(max_size=300), st.text(max_size=40))
def test_what_was_sealed_opens_again(text: str, bound_to: str) -> None:
    cipher = Cipher("a secret of some length")
    assert cipher.decrypt(cipher.encrypt(text, bound_to=bound_to), bound_to=bound_to) == text


def test_a_sealed_text_shows_nothing_and_never_twice_the_same() -> None:
    cipher = Cipher("a secret of some length")
    first, second = cipher.encrypt(URL), cipher.encrypt(URL)
    assert first != second
    assert "admin" not in first
    assert first.isascii()


def refused(cipher: Cipher, sealed: str, bound_to: str = "") -> bool:
    with pytest.raises(HubError) as caught:
        cipher.decrypt(sealed, bound_to=bound_to)
    assert URL not in str(caught.value)
    return caught.value.code == "secret_unreadable"


def test_another_secret_or_record_does_not_open_it() -> None:
    sealed = Cipher("a secret of some length").encrypt(URL, bound_to="camera/a")
    assert refused(Cipher("another secret altogether"), sealed, "camera/a")
    assert refused(Cipher("a secret of some length"), sealed, "camera/b")


@given(st.integers(min_value=3), st.characters(codec="ascii"))
def test_a_changed_text_is_refused(position: int, char: str) -> None:
    cipher = Cipher("a secret of some length")
    sealed = cipher.encrypt(URL)
    at = 3 + position % (len(sealed) - 4)  # the last character of base64 carries spare bits
    changed = sealed[:at] + char + sealed[at + 1 :]
    if changed != sealed:
        assert refused(cipher, changed)


@pytest.mark.parametrize("garbage", ["", "v1.", "v1.AAAA", "v2.AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "乡云", "v1.乡云"])
def test_garbage_is_refused_like_everything_else(garbage: str) -> None:
    assert refused(Cipher("a secret of some length"), garbage)


def test_keys_of_two_purposes_have_nothing_in_common() -> None:
    assert derive_key("secret", "a") == derive_key("secret", "a")
    assert derive_key("secret", "a") != derive_key("secret", "b")
    assert len(derive_key("secret", "a", 64)) == 64


class TestSecretFile:
    def test_it_is_made_once_for_this_user_only(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.key"
        secret = load_or_make_secret(path)
        assert load_or_make_secret(path) == secret
        assert len(secret) >= 32
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_an_empty_file_is_not_silently_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.key"
        path.write_text("\n")
        with pytest.raises(HubError, match="restore it from a backup"):
            load_or_make_secret(path)
        assert path.read_text() == "\n"
