"""The allow-list of source networks."""

import ipaddress

import pytest

from media.base.errors import HubError
from streams.ingest.connection import SourceError
from streams.ingest.networks import SourceNetworks


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "192.168.1.64", "172.31.0.1", "100.64.0.9", "127.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"],
)
def test_private_and_loopback_are_allowed_by_default(address: str) -> None:
    assert SourceNetworks.parse().allows(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "169.254.169.254",
        "172.32.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "2001:db8::1",
        "::",
        "::ffff:8.8.8.8",
        "fe80::1",
    ],
)
def test_the_rest_is_not(address: str) -> None:
    assert not SourceNetworks.parse().allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "239.1.2.3"])
def test_addresses_of_no_single_machine_are_refused_whatever_the_list_says(address: str) -> None:
    assert not SourceNetworks.parse("0.0.0.0/0,::/0").allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("text", ["10.0.0.0/40", "camera", "10.0.0.1/8,,x"])
def test_a_list_that_is_none_is_refused_with_the_part_that_is_wrong(text: str) -> None:
    with pytest.raises(HubError, match="is not a network"):
        SourceNetworks.parse(text)


def test_an_empty_list_allows_nothing() -> None:
    assert not SourceNetworks.parse(" , ").allows(ipaddress.ip_address("10.0.0.1"))


async def test_numbers_resolve_to_themselves_when_allowed() -> None:
    networks = SourceNetworks.parse("127.0.0.0/8")
    assert await networks.resolve("127.0.0.1", 554) == ("127.0.0.1",)
    with pytest.raises(SourceError) as refused:
        await networks.resolve("10.0.0.1", 554)
    assert refused.value.code == "network_not_allowed"


async def test_a_name_is_judged_by_what_it_resolves_to() -> None:
    assert "127.0.0.1" in await SourceNetworks.parse("127.0.0.0/8").resolve("localhost", 554)
    with pytest.raises(SourceError) as refused:
        await SourceNetworks.parse("10.0.0.0/8").resolve("localhost", 554)
    assert refused.value.code == "network_not_allowed"


@pytest.mark.parametrize("host", ["no-such-camera.invalid", "a" * 300, "x..y"])
async def test_a_name_that_does_not_resolve_is_unreachable(host: str) -> None:
    with pytest.raises(SourceError) as refused:
        await SourceNetworks.parse().resolve(host, 554)
    assert refused.value.code in {"unreachable", "timeout"}
