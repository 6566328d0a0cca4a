"""SRTP in place: what we protect, pylibsrtp opens; what was tampered with, nobody does."""

import struct

import pylibsrtp
import pytest

from media.base.errors import RemoteProtocolError
from media.rtp import rtcp
from media.srtp import MAX_PACKET_BYTES, PacketBuffer, SrtpSession, new_length, protect_rtp

PROFILES = {
    "gcm128": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28, 16),
    "gcm256": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44, 16),
    "sha1": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30, 10),
}


def sessions(profile: str) -> tuple[SrtpSession, SrtpSession]:
    number, key_size, _ = PROFILES[profile]
    pair = []
    for direction in (pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND):
        policy = pylibsrtp.Policy(key=bytes(range(key_size)), ssrc_type=direction, srtp_profile=number)
        policy.allow_repeat_tx = True
        policy.window_size = 1024  # as aiortc sets it; repeats reach as far back as our history
        pair.append(SrtpSession(pylibsrtp.Session(policy)))
    return pair[0], pair[1]


def rtp(seq: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq, 1234, 0xCAFE) + payload


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_protected_in_place_opens_again_and_has_the_stated_tag(profile):
    sender, receiver = sessions(profile)
    packet = rtp(7, b"picture" * 100)
    buffer, length = PacketBuffer(), new_length()
    buffer.view[: len(packet)] = packet
    length[0] = len(packet)
    assert protect_rtp(sender.handle, buffer.memory, length) == 0
    assert length[0] == len(packet) + PROFILES[profile][2]
    sealed = bytes(buffer.view[: length[0]])
    assert sealed[:12] == packet[:12]
    assert sealed[12 : len(packet)] != packet[12:]
    assert receiver.unprotect(sealed) == packet


def test_a_repeat_of_an_old_number_is_the_same_bytes():
    sender, _ = sessions("gcm128")
    first = sender.protect(rtp(1, b"a" * 50))
    for seq in range(2, 900):
        sender.protect(rtp(seq, b"b"))
    assert sender.protect(rtp(1, b"a" * 50)) == first


def test_rtcp_survives_the_way_and_a_replay_does_not():
    sender, receiver = sessions("gcm128")
    plain = rtcp.build(rtcp.PictureLoss(1, 2))
    sealed = sender.protect_rtcp(plain)
    assert receiver.unprotect_rtcp(sealed) == plain
    with pytest.raises(RemoteProtocolError) as error:
        receiver.unprotect_rtcp(sealed)
    assert error.value.code == "srtp_refused"


@pytest.mark.parametrize("packet", [b"", b"\x80", b"\x80\xc9" + bytes(6), bytes(1500)])
def test_forged_packets_are_refused_not_fatal(packet):
    _, receiver = sessions("gcm128")
    for call in (receiver.unprotect, receiver.unprotect_rtcp):
        with pytest.raises(RemoteProtocolError):
            call(packet)


def test_a_packet_longer_than_the_buffer_is_refused_before_it_is_written():
    sender, _ = sessions("gcm128")
    with pytest.raises(RemoteProtocolError) as error:
        sender.protect(rtp(1, bytes(MAX_PACKET_BYTES)))
    assert error.value.code == "srtp_packet_too_long"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_receiver_opens_packets_where_they_lie_and_refuses_without_raising(profile):
    sender, receiver = sessions(profile)
    packet = rtp(7, b"picture" * 100)
    wire = sender.protect(packet)
    assert receiver.open_rtp(wire[:-1] + bytes([wire[-1] ^ 1])) == -1
    size = receiver.open_rtp(wire)
    assert bytes(receiver.plain[:size]) == packet
    assert receiver.open_rtp(wire) == -1, "a replay"
    assert receiver.open_rtp(b"") == -1
    assert receiver.open_rtp(bytes(MAX_PACKET_BYTES + 1)) == -1
