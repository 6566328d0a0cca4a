"""Addresses as limits and locks count them."""

import pytest

from api.auth.address import network_of, plain_address


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.9", "203.0.113.9"), ("::ffff:203.0.113.9", "203.0.113.9"), ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0::1", "2001:db8::1"), ("testclient", "local"), ("", "local"), ("1.2.3.4\r\nx", "local"), ("x" * 9999, "local"),
    ],
)  # fmt: skip
def test_an_address_is_one_or_local(said: str, address: str) -> None:
    assert plain_address(said) == address


def test_an_ipv6_subscriber_is_one_whatever_address_of_the_day() -> None:
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2::ffff") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert (network_of("203.0.113.9"), network_of("local")) == ("203.0.113.9", "local")
