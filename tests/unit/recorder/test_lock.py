"""One writer per volume."""

from pathlib import Path

import pytest

from media.base.errors import ErrorKind, HubError
from recorder.lock import WriterLock
from recorder.volume import Volume, open_volume


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return open_volume(tmp_path)


def test_a_second_writer_is_refused_while_the_first_lives(volume: Volume) -> None:
    with WriterLock(volume), pytest.raises(HubError) as caught:
        WriterLock(volume)
    assert (caught.value.kind, caught.value.code) == (ErrorKind.CONFLICT, "volume_busy")


def test_a_closed_lock_lets_the_next_in_and_may_be_closed_again(volume: Volume) -> None:
    first = WriterLock(volume)
    first.close()
    first.close()
    with WriterLock(volume):
        pass
