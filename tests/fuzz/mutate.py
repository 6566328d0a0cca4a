"""Takes well-formed bytes and does to them what networks, bad firmware and attackers do."""

from hypothesis import strategies as st

INTERESTING = (0x00, 0x01, 0x03, 0x7F, 0x80, 0xFF)


@st.composite
def mutated(draw: st.DrawFn, wholes: st.SearchStrategy[bytes]) -> bytes:
    """Return one of `wholes` with up to four changes: a byte set, a bit flipped, a piece cut, doubled or put in."""
    data = bytearray(draw(wholes))
    for _ in range(draw(st.integers(0, 4))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["set", "flip", "cut", "double", "insert", "end"])):
            case "set":
                data[at] = draw(st.sampled_from(INTERESTING))
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at : at + draw(st.integers(1, 9))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case "insert":
                data[at:at] = draw(st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\xff" * 5, bytes(9), b"\0\0\3"]))
            case "end":
                del data[at:]
    return bytes(data)
