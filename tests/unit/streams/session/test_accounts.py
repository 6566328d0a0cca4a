import pytest

from media.base.errors import HubError
from streams.session.accounts import MAX_SESSIONS, MAX_SESSIONS_OF_ACCOUNT, MAX_VIDEOS_OF_ACCOUNT, Accounts


def test_an_account_has_sixteen_sessions_and_another_is_not_hurt() -> None:
    accounts = Accounts()
    for _ in range(MAX_SESSIONS_OF_ACCOUNT):
        accounts.open_session("u-1")
    with pytest.raises(HubError) as caught:
        accounts.open_session("u-1")
    assert caught.value.code == "too_many_sessions"
    accounts.open_session("u-2")
    accounts.close_session("u-1")
    accounts.open_session("u-1")


def test_a_worker_has_two_thousand_sessions() -> None:
    accounts = Accounts()
    for number in range(MAX_SESSIONS):
        accounts.open_session(f"u-{number}")
    with pytest.raises(HubError) as caught:
        accounts.open_session("u-x")
    assert caught.value.code == "too_many_sessions"


def test_an_account_watches_sixty_four_videos_whatever_the_sessions() -> None:
    accounts = Accounts()
    for _ in range(MAX_VIDEOS_OF_ACCOUNT):
        accounts.open_video("u-1")
    with pytest.raises(HubError) as caught:
        accounts.open_video("u-1")
    assert caught.value.code == "too_many_subscriptions"
    accounts.close_video("u-1")
    accounts.open_video("u-1")
    assert accounts.videos("u-1") == MAX_VIDEOS_OF_ACCOUNT
    assert accounts.videos("u-2") == 0
