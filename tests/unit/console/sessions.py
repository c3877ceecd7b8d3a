"""Sessions for tests."""

from tiktok_forwarder.service.sessions import Session


def session(csrf_token: str) -> Session:
    return Session("us_1", csrf_token)
