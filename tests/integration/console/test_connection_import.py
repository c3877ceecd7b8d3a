"""Importing connections in the console: a look first, tokens typed, all or nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.console.console_client import ConsoleClient, fields_in, running_console
from tests.integration.service_rig import TOKEN

pytestmark = pytest.mark.slow

IMPORT = "/connections/import"
TYPED = "typed-access-token-0123456789"
TEXT = """
[[connections]]
name = "Shop"
pixel_id = "PIXELSHOP"
access_token = "env:SHOP_TOKEN"
content_type = "product_group"

[[connections]]
name = "New"
pixel_id = "PIXELNEW"
access_token = "env:NEW_TOKEN"
"""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ConsoleClient]:
    """One connection, of the shop, is there."""
    async with running_console(tmp_path) as made:
        await made.service.add_connection()
        yield made


async def names(client: ConsoleClient) -> list[str]:
    return [each["settings"]["name"] for each in await client.api("GET", "/api/connections")]


async def test_the_difference_is_shown_and_nothing_changed(client: ConsoleClient) -> None:
    """What is new with its settings, what changes with before and after; the new one's token is asked for."""
    looked = await client.post(IMPORT, ("text", TEXT))
    assert looked.status == 200
    assert "2 of 2 would change" in looked.text
    assert "Content Type product product_group" in looked.text and "Pixel ID PIXELNEW" in looked.text
    assert "Access Token of New (NEW_TOKEN)" in looked.text and "Access Token of Shop" not in looked.text
    assert await names(client) == ["Shop"]


async def test_it_is_applied_with_the_tokens_typed(client: ConsoleClient) -> None:
    """The known connection keeps its token, the new one has the one typed, which no page shows."""
    looked = await client.post(IMPORT, ("text", TEXT))
    without = await client.post(IMPORT, ("text", TEXT), ("apply", "yes"), *fields_in(looked.html))
    assert without.status == 422 and "New: type its access token." in without.text
    fields = fields_in(looked.html, **{"token-1": TYPED})
    applied = await client.post(IMPORT, ("text", TEXT), ("apply", "yes"), *fields)
    assert applied.path == "/connections" and "Imported: Shop, New." in applied.text
    connections = client.service.services.connections
    tokens = {each.name: connections.access_token(each.id) for each in connections.all()}
    assert tokens == {"Shop": TOKEN, "New": TYPED}


async def test_what_changed_since_the_look_is_looked_at_again(client: ConsoleClient) -> None:
    """Nobody applies a difference they have not seen."""
    looked = await client.post(IMPORT, ("text", TEXT))
    await client.api("PATCH", "/api/connections/Shop", {"settings": {"platforms": "any"}})
    fields = fields_in(looked.html, **{"token-1": TYPED})
    told = await client.post(IMPORT, ("text", TEXT), ("apply", "yes"), *fields)
    assert told.status == 422 and "The connections have changed since the preview." in told.text
    assert "Platforms any web" in told.text
    assert await names(client) == ["Shop"]
    again = fields_in(told.html, **{"token-1": TYPED})
    assert "Imported: Shop, New." in (await client.post(IMPORT, ("text", TEXT), ("apply", "yes"), *again)).text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The text is empty: paste connections or choose a file."),
        ("name = ", "The text: "),
        ("connections = 5", "The text: connections must be a list of tables and the only key."),
        ('name = "New"\nplatform = "web"', "pixel_id: is required"),
        ('name = "New"\npixel_id = "C9"\naccess_token = "two words"', "access_token: must be one word"),
    ],
)
async def test_what_cannot_be_imported_is_told_and_kept(client: ConsoleClient, text: str, sentence: str) -> None:
    """Every problem at once, in the API's words, and the text to be mended."""
    told = await client.post(IMPORT, ("text", text))
    assert told.status == 422
    assert sentence in told.text
    assert text.split(" ", maxsplit=1)[0] in told.text
    assert await names(client) == ["Shop"]


async def test_a_token_in_the_text_needs_no_typing(client: ConsoleClient) -> None:
    """It stands there already, in the reader's own text."""
    text = f'name = "New"\npixel_id = "C9"\naccess_token = "{TYPED}"'
    looked = await client.post(IMPORT, ("text", text))
    assert "Access Token of" not in looked.text
    applied = await client.post(IMPORT, ("text", text), ("apply", "yes"), *fields_in(looked.html))
    assert "Imported: New." in applied.text
    assert client.service.services.connections.access_token(
        next(each.id for each in client.service.services.connections.all() if each.name == "New")
    ) == (TYPED)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a." * 50_000 + "b = 1", "Key with more than 16 parts (at line 1, column 1)"),
        ("a = " + "[" * 100_000, "Nesting deeper than 32 levels (at line 1, column 37)"),
        ("a = " + "9" * 5000, "Number with more than 400 digits (at line 1, column 5)"),
        ("".join(f"k{number} = 1\n" for number in range(10_000)), "9,902 more problems"),
        (TEXT + "[[connections]]\n" * 1000, "At most 250 connections are imported at a time, not 1,002"),
    ],
)
async def test_text_that_is_too_much_is_refused(client: ConsoleClient, text: str, problem: str) -> None:
    """With the place, as a problem of the form; the page shows the first 100 problems."""
    refused = await client.post(IMPORT, ("text", text))
    assert refused.status == 422
    assert problem in refused.text, refused.text[:3000]
