"""Basic and Digest on both sides, with the challenges cameras send."""

import pytest

from media.rtsp.auth import (
    Challenge,
    Credentials,
    DigestInput,
    Scheme,
    ServerAuth,
    authorization,
    digest_response,
    parse_challenges,
)

WHO = Credentials("Mufasa", "Circle Of Life")
CAMERA = Credentials("admin", 'p:w"d\\ 密码')


def test_rfc_2617_example():
    challenge = Challenge(
        scheme=Scheme.DIGEST_MD5,
        realm="testrealm@host.com",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        has_qop_auth=True,
    )
    made_over = DigestInput(method="GET", uri="/dir/index.html", cnonce="0a4f113b", nonce_count=1)
    assert digest_response(challenge, WHO, made_over) == "6629fae49393a05397450978507c4ef1"


def test_rfc_7616_example_sha256():
    challenge = Challenge(
        scheme=Scheme.DIGEST_SHA256,
        realm="http-auth@example.org",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        has_qop_auth=True,
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    made_over = DigestInput(method="GET", uri="/dir/index.html", cnonce=cnonce)
    expected = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    assert digest_response(challenge, Credentials("Mufasa", "Circle of Life"), made_over) == expected


@pytest.mark.parametrize(
    ("headers", "schemes"),
    [
        (['Basic realm="c"'], [Scheme.BASIC]),
        (['Digest realm="c", nonce="n"'], [Scheme.DIGEST_MD5]),
        (['Basic realm="c"', 'Digest realm="c", nonce="n"'], [Scheme.DIGEST_MD5, Scheme.BASIC]),
        (['Digest realm="c",nonce="n", Basic realm="c"'], [Scheme.DIGEST_MD5, Scheme.BASIC]),
        (
            ['Digest realm="c", nonce="n"', 'Digest realm="c", nonce="m", algorithm=SHA-256, qop="auth"'],
            [Scheme.DIGEST_SHA256, Scheme.DIGEST_MD5],
        ),
        (['digest realm = "c" , nonce = n, algorithm="md5"'], [Scheme.DIGEST_MD5]),
        (['Digest realm="c", nonce="n", algorithm=MD5-sess'], []),
        (["Negotiate", "Bearer x", ""], []),
        (['Digest realm="the Basic one", nonce="n"'], [Scheme.DIGEST_MD5]),
    ],
)
def test_challenges_are_found_strongest_first(headers, schemes):
    assert [c.scheme for c in parse_challenges(headers)] == schemes


def test_stale_qop_and_opaque_are_seen():
    (found,) = parse_challenges(['Digest realm="c", nonce="n", stale=TRUE, qop="auth-int, auth", opaque="o"'])
    assert (found.is_stale, found.has_qop_auth, found.opaque) == (True, True, "o")


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("who", [CAMERA, Credentials("admin", ""), Credentials("a b", "密码")])
def test_our_client_gets_into_our_server_and_nobody_else_does(scheme, who):
    server = ServerAuth(credentials=who, schemes=(scheme,))
    (challenge,) = parse_challenges(server.challenges("nonce-1"))
    made_over = DigestInput(method="DESCRIBE", uri="rtsp://c/live?a=1", cnonce="c")
    header = authorization(challenge, who, made_over)
    assert server.check("DESCRIBE", header, "nonce-1")
    wrong = authorization(challenge, Credentials(who.username, who.password + "x"), made_over)
    assert not server.check("DESCRIBE", wrong, "nonce-1")
    other_user = authorization(challenge, Credentials("root", who.password), made_over)
    assert not server.check("DESCRIBE", other_user, "nonce-1")
    if scheme is not Scheme.BASIC:
        assert not server.check("DESCRIBE", header, "nonce-2")
        assert not server.check("SETUP", header, "nonce-1")


def test_a_scheme_the_server_does_not_ask_for_does_not_count():
    server = ServerAuth(credentials=CAMERA, schemes=(Scheme.DIGEST_SHA256,))
    basic = authorization(Challenge(scheme=Scheme.BASIC), CAMERA, DigestInput(method="X", uri="u"))
    assert not server.check("X", basic, "n")


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Digest", "Digest nonce=n", "Digest x", "Foo bar", "Basic é"]
)
def test_nonsense_proves_nothing(header):
    assert not ServerAuth(credentials=CAMERA).check("PLAY", header, "n")


def test_secrets_are_not_represented():
    assert "密码" not in repr(CAMERA)
    assert "密码" not in repr(ServerAuth(credentials=CAMERA))


def test_answers_echo_what_the_camera_asked_for():
    challenge = Challenge(
        scheme=Scheme.DIGEST_MD5, realm="r", nonce="n", algorithm="MD5", opaque="op", has_qop_auth=True
    )
    text = authorization(challenge, WHO, DigestInput(method="PLAY", uri="rtsp://c", cnonce="cn", nonce_count=10))
    for part in ('opaque="op"', "algorithm=MD5", "qop=auth", "nc=0000000a", 'cnonce="cn"', 'uri="rtsp://c"'):
        assert part in text
