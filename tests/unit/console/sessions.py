"""Sessions for tests."""

from tiktok_forwarder.access.sessions import Session


def session(csrf_token: str) -> Session:
    return Session("us_1", csrf_token)
