from streams.session.ear import Ear


def test_a_former_connection_is_not_heard() -> None:
    heard: list[int] = []
    ear = Ear()
    tell = ear.of(heard.append)
    tell(1)
    ear.close()
    tell(2)
    assert heard == [1]
