"""Source URLs: checked, sealed, masked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.secrets.cipher import Cipher
from api.secrets.source_urls import check_source, mask, parse_source, seal, unseal
from media.base.errors import HubError
from streams.ingest.networks import SourceNetworks

NETWORKS = SourceNetworks.parse("10.0.0.0/8,127.0.0.0/8")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://10.0.0.1/a", "rtsp://10.0.0.1/a"),
        ("rtsp://u:p@10.0.0.1:554/a?x=1", "rtsp://***@10.0.0.1:554/a?x=1"),
        ("rtsp://u@10.0.0.1/a", "rtsp://***@10.0.0.1/a"),
        ("rtsp://h/user=admin_password=tlJwpbo6_channel=1.sdp", "rtsp://h/user=admin_password=***_channel=1.sdp"),
        ("rtsp://h/a?user=x&pwd=secret&ch=1", "rtsp://h/a?user=x&pwd=***&ch=1"),
    ],
)
def test_what_is_shown_holds_no_secret(url: str, shown: str) -> None:
    assert mask(url) == shown


@given(st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=6, max_size=20))
def test_no_password_survives_masking(password: str) -> None:
    assert f"Q{password}Z" not in mask(f"rtsp://admin:Q{password}Z@10.0.0.1/main?token=Q{password}Z")


@given(st.text(max_size=80))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    scheme, code = "rtsp", None
    try:
        scheme = parse_source(text).scheme
    except HubError as error:
        code = error.code
    assert code in {None, "bad_url", "unsupported_scheme"}
    assert scheme in {"rtsp", "rtsps"}


def test_a_sealed_address_opens_for_its_own_camera_only() -> None:
    box = Cipher("a secret for tests")
    sealed = seal(box, "gate", "rtsp://u:p@10.0.0.1/a")
    assert "10.0.0.1" not in sealed
    assert unseal(box, "gate", sealed) == "rtsp://u:p@10.0.0.1/a"
    with pytest.raises(HubError):
        unseal(box, "other", sealed)


async def test_hosts_are_held_to_the_allowed_networks() -> None:
    await check_source("rtsp://10.255.0.1/x", NETWORKS)
    for url in ("rtsp://11.0.0.1/x", "rtsp://[::1]/x", "rtsp://192.168.1.1/x"):
        with pytest.raises(HubError) as caught:
            await check_source(url, NETWORKS)
        assert caught.value.code == "network_not_allowed"


async def test_a_name_that_does_not_resolve_waits_for_the_worker_unless_it_must() -> None:
    await check_source("rtsp://camera.invalid/x", NETWORKS)
    with pytest.raises(HubError) as caught:
        await check_source("rtsp://camera.invalid/x", NETWORKS, must_resolve=True)
    assert caught.value.code == "unreachable"
