"""Who has signed in is read with the session, and doubted whenever there is a reason."""

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from accounts.models import BrowserSession, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="alice-password")


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def name(client: Client) -> str:
    """Of who has signed in; empty for nobody."""
    answer = client.get("/settings/profile")
    return answer.context["user"].username if answer.status_code == 200 else ""


def say(client: Client, **changed: str) -> None:
    """Change what the session says."""
    session = client.session
    session.update(changed)
    session.save()


def test_one_query_reads_the_session_and_the_user(signed_in: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert name(signed_in) == "alice"
    assert len([query for query in queries if "accounts_user" in query["sql"]]) == 1
    assert "accounts_browsersession" in queries[0]["sql"]


def test_changing_the_password_ends_the_session(signed_in: Client, alice: User) -> None:
    alice.set_password("another-password")
    alice.save()
    assert name(signed_in) == ""
    assert not BrowserSession.objects.exists()


def test_who_is_switched_off_is_out(signed_in: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert name(signed_in) == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (HASH_SESSION_KEY, "0" * 64),
        (HASH_SESSION_KEY, ""),
        (BACKEND_SESSION_KEY, "nowhere.Backend"),
    ],
)
def test_a_session_that_is_not_sound_is_nobodys(signed_in: Client, key: str, value: str) -> None:
    say(signed_in, **{key: value})
    assert name(signed_in) == ""


def test_whose_it_is_the_session_says(signed_in: Client) -> None:
    """Not the row: that is there to find the sessions of a user."""
    bob = User.objects.create_user("bob", password="bob-password")
    say(signed_in, **{SESSION_KEY: str(bob.pk), HASH_SESSION_KEY: bob.get_session_auth_hash()})
    BrowserSession.objects.update(user=User.objects.get(username="alice"))
    assert name(signed_in) == "bob"


def test_an_older_secret_still_counts(signed_in: Client) -> None:
    fallbacks = [settings.SECRET_KEY]
    with override_settings(SECRET_KEY="x" * 50, SECRET_KEY_FALLBACKS=fallbacks):
        assert name(signed_in) == "alice"
        assert name(signed_in) == "alice"


def test_a_row_without_a_user_is_read_the_long_way(signed_in: Client) -> None:
    BrowserSession.objects.update(user=None)
    assert name(signed_in) == "alice"
