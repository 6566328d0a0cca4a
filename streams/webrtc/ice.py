"""aioice's agent on the shared port: the one place that reaches into aioice.

Used by `peer` on the event loop. Overrides of aioice: candidates are those of the port, packets leave through the
port, incoming checks are authenticated here before aioice sees them, and every change of the nominated pair and the
end of consent are told at once. The private names relied on are listed in tests/unit/streams/webrtc/test_private_names.py.
No mDNS look-ups, no STUN or TURN servers: the browser brings its relay, we are reachable.
"""

import secrets
import string
import struct
from collections.abc import Callable
from dataclasses import dataclass

from aioice import Candidate, ice, stun
from aioice.candidate import candidate_foundation, candidate_priority

from streams.webrtc.offer import RemoteCandidate
from streams.webrtc.port import Address, UdpPort

_ALPHABET = string.ascii_letters + string.digits
_PARSE_ERRORS = (ValueError, LookupError, TypeError, struct.error, OverflowError)
"""What aioice's STUN parser raises on hostile bytes (found by fuzzing it)."""


def random_token(size: int) -> str:
    """Return `size` letters and digits for an ICE fragment or password; aioice's own 4 characters would collide."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(size))


@dataclass(frozen=True, slots=True)
class IceEvents:
    """What the agent tells its owner. `on_heard` is called for every authenticated STUN message."""

    on_pair: Callable[[Address], None]
    on_lost: Callable[[], None]
    on_heard: Callable[[], None]
    on_dtls: Callable[[bytes], None]
    on_media: Callable[[bytes], None]


class _PortProtocol(ice.StunProtocol):
    """Stands where aioice keeps one socket; the socket is the shared port's."""

    def __init__(self, agent: "IceAgent", port: UdpPort) -> None:
        super().__init__(agent)
        self._agent = agent
        self._port = port

    async def request(
        self,
        request: stun.Message,
        addr: Address,
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, Address]:
        self._port.expect(request.transaction_id, self._agent)
        try:
            answer: tuple[stun.Message, Address] = await super().request(request, addr, integrity_key, retransmissions)
        finally:
            self._port.forget(request.transaction_id)
        self._agent.events.on_heard()
        return answer

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        self._port.send(bytes(message), addr)

    async def send_data(self, data: bytes, addr: Address) -> None:
        self._port.send(data, addr)

    async def close(self) -> None:
        self._port.unregister(self._agent.local_username)


class IceAgent(ice.Connection):
    """A controlled ICE agent (controlling when the peer is ICE-lite) behind the shared port."""

    def __init__(
        self, port: UdpPort, hosts: tuple[str, ...], events: IceEvents, *, is_controlling: bool = False
    ) -> None:
        """Take a fresh fragment and password and register with the port; `hosts` become our candidates."""
        super().__init__(
            ice_controlling=is_controlling,
            use_ipv6=False,
            local_username=random_token(12),
            local_password=random_token(32),
        )
        self.events = events
        self._port = port
        self._hosts = hosts
        self._stun = _PortProtocol(self, port)
        self._stun.local_candidate = self._candidate(hosts[0], 0)
        port.register(self.local_username, self)

    def _candidate(self, host: str, rank: int) -> Candidate:
        return Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "host", 65_535 - rank),
            host=host,
            port=self._port.port,
            type="host",
        )

    def candidate_lines(self) -> tuple[str, ...]:
        """Return our candidates as SDP attribute values, best first."""
        return tuple(self._candidate(host, rank).to_sdp() for rank, host in enumerate(self._hosts))

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        """Return the one candidate aioice pairs with (override): the port is reachable by every address of ours."""
        del component, addresses, timeout
        self._protocols.append(self._stun)
        return [self._stun.local_candidate]

    async def establish(self, fragment: str, password: str, candidates: list[RemoteCandidate]) -> None:
        """Check connectivity until a pair is nominated; ConnectionError when it fails, otherwise waits: bound it."""
        self.remote_username, self.remote_password = fragment, password
        await self.gather_candidates()
        for candidate in candidates:
            await self.add_candidate(candidate)
        await self.connect()

    async def add_candidate(self, candidate: RemoteCandidate) -> None:
        """Pair with one more candidate of the peer."""
        await self.add_remote_candidate(
            Candidate(
                candidate.foundation, 1, "udp", candidate.priority, candidate.host, candidate.port, candidate.type
            )
        )

    def check_complete(self, pair: ice.CandidatePair) -> None:
        """Tell the owner of the nominated pair, first and whenever it moves (override)."""
        before = self._nominated.get(1)
        super().check_complete(pair)
        after = self._nominated.get(1)
        if after is not None and after is not before:
            self.events.on_pair(after.remote_addr)

    async def close(self) -> None:
        """End; also called by aioice itself when consent is lost (override)."""
        self._port.unregister(self.local_username)
        self.events.on_lost()
        await super().close()

    def on_stun_request(self, data: bytes, address: Address) -> bool:
        """Authenticate and answer a binding request; nothing unauthenticated is answered, not even with an error."""
        try:
            message = stun.parse_message(data)
            attributes = message.attributes
            names = attributes["USERNAME"], attributes["PRIORITY"]
            is_ours = bool(names[0]) and message.check_message_integrity(self.local_password.encode())
        except _PARSE_ERRORS:
            return False
        if not is_ours or self._closing:
            return False
        self.events.on_heard()
        self.request_received(message, address, self._stun)
        return True

    def on_stun_response(self, data: bytes, address: Address) -> bool:
        """Hand an answer to the transaction that waits for it; aioice checks its integrity."""
        try:
            message = stun.parse_message(data)
        except _PARSE_ERRORS:
            return False
        transaction = self._stun.transactions.get(message.transaction_id)
        if transaction is None:
            return False
        transaction.response_received(message, address)
        return True

    def on_path(self, address: Address) -> None:
        """Tell the owner when the nominated pair now leaves from another of our addresses."""
        nominated = self._nominated.get(1)
        if nominated is not None and nominated.remote_addr == address:
            self.events.on_pair(address)

    def on_dtls(self, data: bytes) -> None:
        """Pass a DTLS record on."""
        self.events.on_dtls(data)

    def on_media(self, data: bytes) -> None:
        """Pass an SRTP or SRTCP packet on."""
        self.events.on_media(data)
