import pytest

from streams.relay.proof import NONCE_BYTES, is_proved, new_nonce, prove

KEY = b"k" * 32
NONCES = (b"a" * 32, b"b" * 32)
PROOF = prove(KEY, "puller", NONCES, b"")


def test_a_proof_is_of_its_side_key_nonces_and_certificate() -> None:
    assert is_proved(PROOF, KEY, "puller", NONCES, b"")


@pytest.mark.parametrize(
    ("key", "side", "nonces", "binding"),
    [
        (b"x" * 32, "puller", NONCES, b""),
        (KEY, "holder", NONCES, b""),
        (KEY, "puller", NONCES[::-1], b""),
        (KEY, "puller", NONCES, b"\1"),
    ],
)
def test_nothing_else_proves_it(key: bytes, side: str, nonces: tuple[bytes, bytes], binding: bytes) -> None:
    assert not is_proved(PROOF, key, side, nonces, binding)


def test_nonces_are_fresh() -> None:
    assert len({new_nonce() for _ in range(100)}) == 100
    assert len(new_nonce()) == NONCE_BYTES
