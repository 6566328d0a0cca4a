"""What an error tells: to programs by code and kind, to people by its sentence and context."""

from media.base.errors import ErrorKind, HubError, LocalProtocolError, ProtocolError, RemoteProtocolError


def test_the_code_defaults_to_the_kind() -> None:
    assert HubError(ErrorKind.NOT_FOUND, "gone").code == "not_found"
    assert HubError(ErrorKind.NOT_FOUND, "gone", code="unknown_camera").code == "unknown_camera"


def test_the_text_ends_with_what_lets_one_find_the_packet() -> None:
    assert str(HubError(ErrorKind.INVALID, "bad packet", ssrc=7, seq=9)) == "bad packet (ssrc=7, seq=9)"
    assert str(HubError(ErrorKind.INVALID, "bad packet")) == "bad packet"


def test_who_broke_the_protocol_decides_the_kind() -> None:
    theirs, ours = RemoteProtocolError("torn", offset=3), LocalProtocolError("too early")
    assert (theirs.kind, theirs.code, theirs.context) == (ErrorKind.INVALID, "protocol_error", {"offset": 3})
    assert (ours.kind, ours.code) == (ErrorKind.CONFLICT, "wrong_state")
    assert isinstance(theirs, ProtocolError)
    assert isinstance(ours, ProtocolError)
