"""TURN credentials that coturn's `use-auth-secret` accepts."""

from streams.webrtc.turn import CREDENTIAL_LIFE_S, IceServer, ice_servers


def test_credentials_are_the_expiry_and_its_signature():
    (turn, stun) = ice_servers(
        ("turns:t.example:443?transport=tcp", "stun:t.example"), "north", "u1", 1_700_000_000_000_000
    )
    assert turn.username == f"{1_700_000_000 + CREDENTIAL_LIFE_S}:u1"
    assert turn.credential == "lL8MeePr65QSfWwTQdB96whY2qs="  # openssl dgst -sha1 -hmac north
    assert stun == IceServer("stun:t.example")
    assert turn.as_link().startswith(
        '<turns:t.example:443?transport=tcp>; rel="ice-server"; username="1700021600:u1"; credential="'
    )
    assert turn.as_link().endswith('"; credential-type="password"')


def test_without_a_secret_there_are_no_credentials():
    assert ice_servers(("turn:t.example",), "", "u1", 0) == (IceServer("turn:t.example"),)
    assert ice_servers((), "secret", "u1", 0) == ()
