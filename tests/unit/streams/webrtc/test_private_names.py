"""Contract with aiortc, aioice and pylibsrtp: every name of theirs we rely on that they do not promise.

When an upgrade breaks one of these, this file says which, and `streams/webrtc/{ice,peer}.py` and `media/srtp.py` are
the only places to mend. The way out, should one be gone for good, is our own ICE-lite and DTLS behind the same folder.
"""

import inspect
import re
from importlib.metadata import version
from pathlib import Path

import aioice
import pylibsrtp
import pytest
from aioice import ice, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aiortc import RTCCertificate
from aiortc import rtcdtlstransport as dtls
from pylibsrtp._binding import ffi, lib


@pytest.mark.parametrize(("package", "pinned"), [("aiortc", "1.16."), ("aioice", "0.13."), ("pylibsrtp", "1.0.")])
def test_the_pinned_versions_are_installed(package, pinned):
    assert version(package).startswith(pinned)


class Link:
    role = "controlled"

    async def _recv(self) -> bytes:
        raise ConnectionError

    async def _send(self, data: bytes) -> None:
        pass


async def test_aiortc_dtls_transport_wants_only_a_role_recv_and_send_of_its_ice_transport():
    transport = dtls.RTCDtlsTransport(Link(), [RTCCertificate.generateCertificate()])
    assert transport.state == "new"
    assert transport._srtp_profiles is dtls.SRTP_PROFILES
    transport._srtp_profiles = [dtls.SRTP_AEAD_AES_128_GCM]
    transport._set_role("server")
    assert transport._role == "server"
    assert transport._ssl is None
    assert transport._tx_srtp is None
    assert transport._rx_srtp is None
    states = []
    transport.on("statechange", lambda: states.append(transport.state))
    await transport.start(dtls.RTCDtlsParameters(fingerprints=[dtls.RTCDtlsFingerprint("sha-256", "00")]))
    assert states == ["connecting", "failed"]
    assert hasattr(transport._ssl, "get_selected_srtp_profile")
    await transport.stop()


def test_aiortc_names_its_srtp_profiles_as_openssl_does():
    profiles = (dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_SHA1_80)
    assert [p.openssl_profile for p in profiles] == [
        b"SRTP_AEAD_AES_128_GCM",
        b"SRTP_AEAD_AES_256_GCM",
        b"SRTP_AES128_CM_SHA1_80",
    ]
    assert all(profile in dtls.SRTP_PROFILES for profile in profiles)


def test_aiortc_lets_repeats_through_and_looks_back_as_far_as_our_history():
    source = inspect.getsource(dtls.RTCDtlsTransport._setup_srtp)
    assert "tx_policy.allow_repeat_tx = True" in source
    assert "tx_policy.window_size = 1024" in source


def test_aiortc_certificates_carry_a_sha256_fingerprint():
    assert "sha-256" in {f.algorithm for f in RTCCertificate.generateCertificate().getFingerprints()}


async def test_aioice_connection_has_the_members_the_agent_uses_and_overrides():
    connection = ice.Connection(
        ice_controlling=False, use_ipv6=False, local_username="abcdefgh", local_password="p" * 32
    )
    assert (connection.local_username, connection.local_password) == ("abcdefgh", "p" * 32)
    assert connection._nominated == {}
    assert connection._protocols == []
    assert connection._closing is False
    assert connection.remote_is_lite is False
    assert connection.ice_controlling is False
    for name in ("remote_username", "remote_password"):
        assert getattr(connection, name) is None
    assert list(inspect.signature(connection.get_component_candidates).parameters) == [
        "component",
        "addresses",
        "timeout",
    ]
    assert list(inspect.signature(connection.request_received).parameters) == ["message", "addr", "protocol"]
    assert list(inspect.signature(connection.check_complete).parameters) == ["pair"]
    for coroutine in (
        "gather_candidates",
        "connect",
        "close",
        "send",
        "add_remote_candidate",
        "get_component_candidates",
    ):
        assert inspect.iscoroutinefunction(getattr(connection, coroutine))
    assert "self.close()" in inspect.getsource(connection.query_consent), "lost consent must go through close()"
    assert "self._nominated[pair.component] = pair" in inspect.getsource(connection.check_complete)
    await connection.close()


async def test_aioice_stun_protocol_can_stand_without_a_socket():
    connection = ice.Connection(ice_controlling=False)
    protocol = ice.StunProtocol(connection)
    assert protocol.receiver is connection
    assert protocol.transactions == {}
    parameters = list(inspect.signature(protocol.request).parameters)
    assert parameters == ["request", "addr", "integrity_key", "retransmissions"]
    for name in ("send_stun", "send_data", "close"):
        assert callable(getattr(protocol, name))
    await connection.close()


async def test_aioice_pairs_know_their_remote_address():
    protocol = ice.StunProtocol(ice.Connection(ice_controlling=False))
    protocol.local_candidate = aioice.Candidate(
        candidate_foundation("host", "udp", "127.0.0.1"),
        1,
        "udp",
        candidate_priority(1, "host", 5),
        "127.0.0.1",
        9,
        "host",
    )
    remote = aioice.Candidate("1", 1, "udp", 5, "127.0.0.1", 10, "host")
    assert ice.CandidatePair(protocol, remote).remote_addr == ("127.0.0.1", 10)
    assert protocol.local_candidate.to_sdp().endswith("typ host")


def test_aioice_messages_check_their_integrity():
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = "a:b"
    message.attributes["PRIORITY"] = 1
    message.add_message_integrity(b"key")
    parsed = stun.parse_message(bytes(message))
    assert parsed.check_message_integrity(b"key")
    assert not parsed.check_message_integrity(b"other")
    assert parsed.transaction_id == message.transaction_id == bytes(message)[8:20]
    assert hasattr(stun.Transaction, "response_received")


def test_pylibsrtp_binding_has_the_functions_and_the_session_pointer():
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    session = pylibsrtp.Session(policy)
    buffer, length = ffi.new("char[]", 1600), ffi.new("int *")
    ffi.buffer(buffer)[0:16] = b"\x80\x60\0\1" + bytes(12)
    length[0] = 16
    assert lib.srtp_protect(session._srtp[0], buffer, length) == 0
    assert length[0] == 26
    for name in ("srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"):
        assert callable(getattr(lib, name))


def test_our_folder_reaches_into_no_other_private_name():
    """A new private access must be added here; this catches one that was not."""
    known = {
        "_srtp_profiles", "_set_role", "_ssl", "_tx_srtp", "_rx_srtp", "_srtp", "_nominated", "_protocols", "_closing", "_binding",
    }  # fmt: skip
    root = Path(__file__).resolve().parents[4]
    text = (root / "media" / "srtp.py").read_text()
    text += (root / "streams/webrtc/peer.py").read_text() + (root / "streams/webrtc/ice.py").read_text()
    foreign = set(re.findall(r"(?:_dtls|session|pylibsrtp)\.(_[a-z_]+)", text))
    assert foreign <= known
    own = set(re.findall(r"self\.(_[a-z_]+)", (root / "streams/webrtc/ice.py").read_text()))
    ours = {"_agent", "_port", "_hosts", "_stun", "_candidate"}
    assert own - ours <= known
