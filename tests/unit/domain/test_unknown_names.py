"""Names that do not exist are reported with the closest of those that do."""

import pytest

from tiktok_forwarder.domain.errors import UnknownName, not_found

KNOWN = ("Shop", "Shop EU", "Outlet")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shpo", 'connection "shpo" not found; did you mean "Shop"?'),
        ("SHOPEU", 'connection "SHOPEU" not found; did you mean "Shop EU"?'),
        ("entirely else", 'connection "entirely else" not found'),
        ("", 'connection "" not found'),
    ],
)
def test_closest_name_is_suggested(name: str, message: str) -> None:
    """Whatever the case, and as it is spelled; nothing is suggested if nothing is close."""
    assert not_found(KNOWN, "connection", name) == message
    assert str(UnknownName.among(iter(KNOWN), "connection", name)) == message
