from typing import Any

import pytest

from media.base.errors import RemoteProtocolError
from streams.relay.frames import Frame, FrameReader, FrameType, build_json
from streams.relay.handshake import Credentials, HolderHandshake, PullerHandshake


class Wire:
    """Keeps what a side sends, as frames."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def send_json(self, kind: FrameType, message: dict[str, Any]) -> None:
        self.frames += FrameReader().feed(build_json(kind, message))


def sides(keys: tuple[bytes, bytes] = (b"k" * 32, b"k" * 32), bindings: tuple[bytes, bytes] = (b"", b"")):
    wires = Wire(), Wire()
    holder = HolderHandshake(wires[0], Credentials(keys[0], "vm/0"), bindings[0])  # type: ignore[arg-type]
    puller = PullerHandshake(wires[1], Credentials(keys[1], "vm/1"), bindings[1])  # type: ignore[arg-type]
    return holder, puller, wires


def test_two_workers_of_one_hub_open_a_link() -> None:
    holder, puller, (from_holder, from_puller) = sides()
    assert puller.take(from_holder.frames[0]) is False
    holder.take(from_puller.frames[0])
    assert puller.take(from_holder.frames[1]) is True
    assert holder.peer_slot == "vm/1"


@pytest.mark.parametrize(
    "given", [{"keys": (b"k" * 32, b"x" * 32)}, {"bindings": (b"own certificate", b"the one in the middle")}]
)
def test_the_holder_refuses_a_foreign_proof(given: dict[str, Any]) -> None:
    holder, puller, (from_holder, from_puller) = sides(**given)
    puller.take(from_holder.frames[0])
    with pytest.raises(RemoteProtocolError):
        holder.take(from_puller.frames[0])
    assert len(from_holder.frames) == 1  # and proves nothing itself


def test_the_puller_refuses_a_holder_that_mirrors_its_proof() -> None:
    _, puller, (from_holder, from_puller) = sides()
    puller.take(from_holder.frames[0])
    with pytest.raises(RemoteProtocolError):
        puller.take(from_puller.frames[0])


@pytest.mark.parametrize("told", [{}, {"nonce": "zz", "proof": "00"}, {"nonce": "00" * 32, "proof": "00" * 31}])
def test_malformed_proofs_are_refused(told: dict[str, Any]) -> None:
    holder, _, _ = sides()
    (frame,) = FrameReader().feed(build_json(FrameType.PROOF, told))
    with pytest.raises(RemoteProtocolError):
        holder.take(frame)


def test_nothing_is_taken_before_the_proof() -> None:
    holder, puller, _ = sides()
    (frame,) = FrameReader().feed(build_json(FrameType.OPEN, {"stream": 1, "source": "camera/a"}))
    with pytest.raises(RemoteProtocolError):
        holder.take(frame)
    with pytest.raises(RemoteProtocolError):
        puller.take(frame)
