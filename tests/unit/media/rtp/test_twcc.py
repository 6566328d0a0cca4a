"""Transport-wide feedback bodies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.rtp.twcc import DELTA_US, TransportArrivals, build_arrivals, parse_arrivals


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 255),
    st.integers(0, 10**9),
    st.lists(st.one_of(st.none(), st.integers(0, 500), st.integers(0, 0x7FFF), st.just(0)), max_size=300),
)
def test_arrivals_round_trip(base, count, start, steps):
    now, arrivals = start // 250, []
    for step in steps:
        now += step or 0
        arrivals.append(None if step is None else now * DELTA_US)
    feedback = TransportArrivals(base, count, tuple(arrivals))
    assert parse_arrivals(build_arrivals(feedback)) == feedback


def test_a_status_vector_of_one_bit_symbols():
    body = bytes.fromhex("0005 0003 000001 07") + (0x8000 | 0b101 << 11).to_bytes(2, "big") + b"\x04\x08"
    assert parse_arrivals(body) == TransportArrivals(5, 7, (65_000, None, 67_000))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00050003000001",
        "0005000300000107",
        "00050003000001072003",
        "0005000300000107200301",
        "0005000300000107200000",
    ],
)
def test_malformed_bodies_are_refused(text):
    with pytest.raises(RemoteProtocolError):
        parse_arrivals(bytes.fromhex(text))
