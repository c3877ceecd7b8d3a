"""Connections as a TOML text."""

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection_toml import read_toml, referenced_variable, token_variable, written_toml

SHOP = {"name": "Shop", "pixel_id": "C9", "events_api": "2.0"}


def test_what_is_written_is_read_back() -> None:
    """With the token as a reference to an environment variable named after the connection."""
    [(label, found)] = read_toml(written_toml([SHOP]), "file")
    assert label == "file: connections[0]"
    assert found == {**SHOP, "access_token": "env:SHOP_ACCESS_TOKEN"}
    assert referenced_variable(found) == "SHOP_ACCESS_TOKEN"


def test_one_connection_may_stand_by_itself() -> None:
    """Without a list around it, as the command line's add takes it."""
    assert read_toml('name = "Shop"\npixel_id = "C9"\naccess_token = "word"', "file") == [
        ("file", {"name": "Shop", "pixel_id": "C9", "access_token": "word"})
    ]


@pytest.mark.parametrize("text", ["connections = 1", "connections = [1]", 'name = "Shop"\nconnections = []', "name ="])
def test_what_is_no_connection_is_told_with_its_label(text: str) -> None:
    """A text that cannot be read, and lists of anything but tables."""
    with pytest.raises(ConfigurationError, match=r"^the text: "):
        read_toml(text, "the text")


@pytest.mark.parametrize(("name", "variable"), [("Shop/50 %", "SHOP_50"), ("日本", "CONNECTION"), ("a-b", "A_B")])
def test_a_variable_is_named_after_the_connection(name: str, variable: str) -> None:
    """In letters, digits and underscores, whatever the name holds."""
    assert token_variable(name) == f"{variable}_ACCESS_TOKEN"


@pytest.mark.parametrize("given", [{}, {"access_token": "word"}, {"access_token": 5}])
def test_a_token_in_the_clear_refers_to_no_variable(given: dict[str, object]) -> None:
    """Neither does one that is missing or no text."""
    assert referenced_variable(given) is None
