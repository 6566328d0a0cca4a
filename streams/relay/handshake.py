"""The first frames of a link: each side proves that it belongs to this hub before anything else is answered.

Sans-IO on top of `link`: `holder` and `puller` each hand the frames they get to their side until it is done.
"""

from dataclasses import dataclass

from media.base.errors import RemoteProtocolError
from streams.relay.frames import Frame, FrameType, parse_json
from streams.relay.link import Link
from streams.relay.proof import NONCE_BYTES, is_proved, new_nonce, prove

HANDSHAKE_S = 3.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a side needs: the hub's key, and its own slot's name for the log of the other."""

    key: bytes
    slot: str


def _hex(found: dict[str, object], name: str) -> bytes:
    try:
        value = bytes.fromhex(str(found.get(name, "")))
    except ValueError as error:
        raise RemoteProtocolError("malformed handshake") from error
    if len(value) != NONCE_BYTES:
        raise RemoteProtocolError("malformed handshake")
    return value


class HolderHandshake:
    """The side that was connected to: greets, checks the puller's proof, answers with its own."""

    def __init__(self, link: Link, credentials: Credentials, binding: bytes) -> None:
        """Greet; `binding` is the hash of our certificate, empty on a unix socket."""
        self.peer_slot = ""
        self._link = link
        self._credentials = credentials
        self._binding = binding
        self._nonce = new_nonce()
        link.send_json(FrameType.HELLO, {"nonce": self._nonce.hex(), "slot": credentials.slot})

    def take(self, frame: Frame) -> None:
        """Take the puller's proof; RemoteProtocolError when it is none. Afterwards the link is open."""
        if frame.type != FrameType.PROOF:
            raise RemoteProtocolError("a relay link begins with a proof", type=frame.type)
        told = parse_json(frame.body)
        key, nonces = self._credentials.key, (_hex(told, "nonce"), self._nonce)
        if not is_proved(_hex(told, "proof"), key, "puller", nonces, self._binding):
            raise RemoteProtocolError("the relay peer does not belong to this hub")
        self.peer_slot = str(told.get("slot", ""))[:128]
        self._link.send_json(FrameType.PROOF, {"proof": prove(key, "holder", nonces, self._binding).hex()})


class PullerHandshake:
    """The side that connected: answers the greeting, then checks the holder's proof."""

    def __init__(self, link: Link, credentials: Credentials, binding: bytes) -> None:
        """Wait for the greeting; `binding` is the hash of the holder's certificate, empty on a unix socket."""
        self._link = link
        self._credentials = credentials
        self._binding = binding
        self._nonces: tuple[bytes, bytes] | None = None

    def take(self, frame: Frame) -> bool:
        """Take a frame; return whether the link is open now. RemoteProtocolError when the holder proves nothing."""
        told = parse_json(frame.body)
        key = self._credentials.key
        if frame.type == FrameType.HELLO and self._nonces is None:
            self._nonces = (new_nonce(), _hex(told, "nonce"))
            proof = prove(key, "puller", self._nonces, self._binding)
            mine = {"nonce": self._nonces[0].hex(), "proof": proof.hex(), "slot": self._credentials.slot}
            self._link.send_json(FrameType.PROOF, mine)
            return False
        if frame.type == FrameType.PROOF and self._nonces is not None:
            if not is_proved(_hex(told, "proof"), key, "holder", self._nonces, self._binding):
                raise RemoteProtocolError("the relay peer does not belong to this hub")
            return True
        raise RemoteProtocolError("an unexpected frame in the handshake", type=frame.type)
