"""Whatever arrives at the WebRTC door: offers, datagrams, feedback. Nothing may crash, hang or grow."""

import asyncio
import re

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from media.base.clock import SystemClock
from media.base.errors import HubError, ProtocolError
from media.codec import opus
from media.packet import Kind
from media.rtp import rtcp
from streams.webrtc.answer import choose, write_answer
from streams.webrtc.batch import Batch
from streams.webrtc.feedback import MAX_NACKS, read_feedback
from streams.webrtc.ice import IceAgent
from streams.webrtc.offer import MAX_CANDIDATES, MAX_SECTIONS, parse_fragment, parse_offer
from streams.webrtc.port import UdpPort
from tests.unit.streams.webrtc.plane import H264
from tests.unit.streams.webrtc.test_answer import CHROMIUM_H264, TRANSPORT, h264_offer
from tests.unit.streams.webrtc.test_offer import AUDIO, HEAD, VIDEO
from tests.unit.streams.webrtc.test_port import Heard

LINES = (h264_offer(CHROMIUM_H264) + VIDEO + AUDIO).split("\r\n")
ATTRIBUTES = re.findall(r"^a=([a-z-]+)", "\n".join(LINES), re.MULTILINE)

attribute = st.builds(
    lambda name, value: f"a={name}:{value}",
    st.sampled_from([*ATTRIBUTES, "candidate", "bundle-only"]),
    st.text(max_size=60),
)
lines = st.lists(st.one_of(st.sampled_from(LINES), attribute, st.text(max_size=80)), max_size=60)


@st.composite
def mutated_offers(draw: st.DrawFn) -> str:
    """A good offer with lines dropped, doubled, replaced and bytes changed."""
    text = list(HEAD + VIDEO + AUDIO)
    for _ in range(draw(st.integers(0, 12))):
        at = draw(st.integers(0, len(text) - 1))
        text[at : at + draw(st.integers(0, 20))] = draw(st.text(max_size=10))
        if not text:
            break
    return "".join(text)


def answer(text: str) -> None:
    """Parse and answer; a refusal is an answer too, and an answer holds only whole, clean lines."""
    refusal = ""
    try:
        offer = parse_offer(text)
        chosen = choose(offer, {Kind.VIDEO: H264, Kind.AUDIO: opus.opus_params(2)}, {Kind.VIDEO: 1, Kind.AUDIO: 2})
    except HubError as error:
        refusal = error.code
    if refusal:
        assert refusal in ("bad_sdp", "codec_unsupported")
        return
    assert len(offer.sections) <= MAX_SECTIONS
    assert len(offer.candidates) <= MAX_CANDIDATES
    written = write_answer(offer, chosen, TRANSPORT, "stream")
    found = written.removesuffix("\r\n").split("\r\n")
    assert all(re.fullmatch(r"[a-z]=\S.*", line) for line in found), written
    assert sum(line.startswith("m=") for line in found) == len(offer.sections)


@given(lines)
def test_offers_of_shuffled_lines(found):
    answer("\r\n".join([*HEAD.split("\r\n")[:-1], *found]))


@given(mutated_offers())
def test_mutated_offers(text):
    answer(text)


@given(st.text(max_size=400))
def test_any_text_is_no_offer_or_a_clean_one(text):
    answer(text)
    parse_fragment(text)


class Signed:
    """A link that parses as the real agent does, and records."""

    def on_stun_request(self, data, address):
        del address
        stun.parse_message(data)
        return True

    def on_stun_response(self, data, address):
        return True

    def on_path(self, address):
        pass

    def on_dtls(self, data):
        pass

    def on_media(self, data):
        pass


class PortWithoutSocket(UdpPort):
    """The demultiplexer alone."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.batch = Batch(-1, 1)


stun_attribute = st.builds(
    lambda kind, value, lie: (
        kind.to_bytes(2, "big") + ((len(value) + lie) & 0xFFFF).to_bytes(2, "big") + value + bytes(-len(value) % 4)
    ),
    st.sampled_from([0x0006, 0x0008, 0x0020, 0x0024, 0x0025, 0x8028, 0x8029, 0x802A, 0x0009, 0x0001, 0x7777]),
    st.binary(max_size=24),
    st.sampled_from([0, 0, 0, 1, -1, 4, 60_000]),
)


@st.composite
def stun_messages(draw: st.DrawFn) -> bytes:
    body = b"".join(draw(st.lists(stun_attribute, max_size=6)))
    kind = draw(st.sampled_from([1, 1, 1, 0x0101, 0x0111, 0x0011, 3, 0x3FFF]))
    size = (len(body) + draw(st.sampled_from([0, 0, 0, 4, 1]))) & 0xFFFF
    return kind.to_bytes(2, "big") + size.to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + body


@given(st.lists(st.one_of(stun_messages(), st.binary(max_size=100)), max_size=20))
def test_any_datagrams_are_counted_and_bind_nothing(datagrams):
    port = PortWithoutSocket()
    for data in datagrams:
        port.receive(data, ("127.0.0.1", 5))
    assert port.counters.received == len(datagrams)
    assert not port._by_address
    assert not port._locals


@given(st.lists(stun_messages(), max_size=10))
def test_hostile_stun_at_the_real_agent_is_refused(messages):
    async def attack() -> None:
        port, heard = PortWithoutSocket(), Heard()
        agent = IceAgent(port, ("127.0.0.1",), heard.events())
        name = agent.local_username.encode()
        user = b"\x00\x06" + len(name).to_bytes(2, "big") + name
        for message in messages:
            data = (
                message[:2] + (len(message) - 20 + len(user)).to_bytes(2, "big") + message[4:20] + user + message[20:]
            )
            port.receive(data, ("127.0.0.1", 5))
            agent.on_stun_response(data, ("127.0.0.1", 5))
        assert heard.authenticated == 0
        assert not port._by_address

    asyncio.run(attack())


block = st.builds(
    rtcp.ReportBlock, ssrc=st.integers(0, 2**32 - 1), last_sr=st.integers(0, 2**32 - 1), delay=st.integers(0, 2**32 - 1)
)
packet = st.one_of(
    st.builds(rtcp.ReceiverReport, ssrc=st.integers(0, 2**32 - 1), reports=st.lists(block, max_size=4).map(tuple)),
    st.builds(rtcp.GenericNack, st.just(1), st.just(2), st.lists(st.integers(0, 65_535), max_size=600).map(tuple)),
    st.builds(rtcp.PictureLoss, st.just(1), st.integers(0, 5)),
    st.builds(
        rtcp.FullIntraRequest, st.just(1), st.lists(st.tuples(st.integers(0, 5), st.just(1)), max_size=3).map(tuple)
    ),
)


@given(
    st.lists(packet, min_size=1, max_size=6), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)
)
def test_mutated_feedback_is_bounded(packets, changes):
    data = bytearray(rtcp.build_compound(packets))
    for at, value in changes:
        data[at % len(data)] = value
    try:
        feedback = read_feedback(bytes(data))
    except ProtocolError:
        return
    assert sum(len(lost) for _, lost in feedback.nacks) <= MAX_NACKS
    assert len(set(feedback.key_requests)) == len(feedback.key_requests)
