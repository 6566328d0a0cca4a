"""Passwords: hashed with argon2id off the loop, weak ones refused."""

import pytest

from api.auth.passwords import Passwords, check_new_password
from media.base.errors import HubError
from tests.fakes.control import QUICK


async def test_a_password_is_verified_against_its_hash() -> None:
    passwords = Passwords(QUICK)
    hashed = await passwords.hash("Correct-horse-9")
    assert hashed.startswith("$argon2id$")
    assert await passwords.verify("Correct-horse-9", hashed)
    assert not await passwords.verify("correct-horse-9", hashed)
    assert not await passwords.verify("x", "not a hash")
    assert not await passwords.verify("x", None)
    passwords.close()


def test_the_real_parameters_are_argon2id_of_some_cost() -> None:
    hasher = Passwords()._hasher
    assert hasher.type.name == "ID"
    assert hasher.memory_cost >= 19_456, "OWASP's least for argon2id"


@pytest.mark.parametrize(
    "password", ["Abc-123", "abcdefgh", "12345678", "aaaaaaaaaaaaaaaa", "Wang-xiaoming1", "P@ssw0rd", "x" * 300]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(HubError):
        check_new_password(password, "wang-xiaoming1")


@pytest.mark.parametrize("password", ["Abc-1234", "village watch", "一二三四五六七八九十甲乙", "correcthorsebattery"])
def test_good_passwords_are_taken(password: str) -> None:
    check_new_password(password, "wang")
