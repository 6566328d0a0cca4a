"""Access tokens are ours or refused."""

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.tokens import ACCESS_LIFETIME_S, TokenSigner, new_secret, secret_hash
from media.base.errors import ErrorKind, HubError

KEY = b"k" * 32
NOW_US = 1_800_000_000_000_000
SIGNER = TokenSigner(KEY)


def refused(token: str, now_us: int = NOW_US) -> str:
    with pytest.raises(HubError) as caught:
        SIGNER.read(token, now_us)
    assert caught.value.kind is ErrorKind.UNAUTHENTICATED
    return caught.value.code


def test_a_token_names_user_and_session_until_it_expires() -> None:
    token = SIGNER.issue("u", "s", NOW_US)
    claims = SIGNER.read(token, NOW_US + (ACCESS_LIFETIME_S - 1) * 1_000_000)
    assert (claims.user_id, claims.session_id) == ("u", "s")
    assert refused(token, NOW_US + ACCESS_LIFETIME_S * 1_000_000) == "token_expired"


def test_tokens_of_others_are_refused() -> None:
    claims = {"iss": "xiangyun", "aud": "api", "sub": "u", "sid": "s", "exp": 4_000_000_000}
    assert SIGNER.read(jwt.encode(claims, KEY, algorithm="HS256"), NOW_US).user_id == "u"
    for changed in ({"iss": "x"}, {"aud": "x"}, {"sub": 7}, {"sid": None}, {"exp": "soon"}):
        assert refused(jwt.encode({**claims, **changed}, KEY, algorithm="HS256")) == "token_invalid"
    assert refused(jwt.encode(claims, b"x" * 32, algorithm="HS256")) == "token_invalid"
    assert refused(jwt.encode(claims, KEY * 2, algorithm="HS512")) == "token_invalid"
    assert refused(jwt.encode(claims, None, algorithm="none")) == "token_invalid"


@given(st.text(max_size=300))
def test_any_text_is_refused_without_a_crash(text: str) -> None:
    assert refused(text) == "token_invalid"


def test_secrets_are_long_and_stored_as_hashes() -> None:
    one, two = new_secret(), new_secret()
    assert one != two
    assert len(one) >= 43
    assert len(secret_hash(one)) == 64
    assert secret_hash("\ud800") != secret_hash("?")
