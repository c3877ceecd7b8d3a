"""The console's scripts and styles."""

import pytest

from tiktok_forwarder.console.static_files import StaticFiles


def test_an_address_changes_with_the_contents() -> None:
    """So that a browser may keep the file for a year."""
    static = StaticFiles()
    assert static.address("console.css").startswith("/static/console.css?v=")
    assert static.address("console.css") != static.address("console.js")


def test_what_is_not_there_has_no_address() -> None:
    """A page that names it is a defect, seen when it is rendered."""
    with pytest.raises(KeyError):
        StaticFiles().address("absent.js")
