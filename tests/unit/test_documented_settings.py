"""The TOML examples of the documentation are settings that a connection accepts."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktok_forwarder.mapping.connection import connection_document, read_connection

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"^( *)```toml\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_REQUIRED = {"name": "Shop", "pixel_id": "C9EXAMPLEPIXELID"}


def examples() -> Iterator[tuple[str, str]]:
    """Yield page and text of each TOML block."""
    for page in PAGES:
        for _, block in _BLOCK.findall(page.read_text()):
            yield page.name, block


EXAMPLES = list(examples())


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[page for page, _ in EXAMPLES])
def test_an_example_is_accepted_as_settings(page: str, example: str) -> None:
    """A reader may copy each example into a connection, and every key of it is stored."""
    given = tomllib.loads(example.replace("YOUR PIXEL ID", "C9EXAMPLEPIXELID"))
    connection = read_connection({**_REQUIRED, **given}, needs_token=False).connection
    assert set(given) - {"access_token"} <= set(connection_document(connection)), page


def test_examples_of_every_page_are_found() -> None:
    """The check would otherwise pass without finding anything."""
    assert {"README.md", "connection.md", "choose-what-is-forwarded.md"} <= {page for page, _ in EXAMPLES}
