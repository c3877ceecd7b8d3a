"""Imports of inputs: by name, all of them or none, and nothing that exists loses its credentials."""

import pytest

from tests.unit.parts import Parts
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.inputs.importing import MAX_IMPORTED, import_inputs
from tiktok_forwarder.inputs.settings import InputDifference, InputSettings

SHOP = "https://shop.example.com"


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def imported(parts: Parts, *given: InputSettings, dry_run: bool = False) -> list[InputDifference]:
    return await import_inputs(parts.inputs, given, dry_run=dry_run, changed_by="ann")


async def test_new_inputs_are_added_with_credentials(parts: Parts) -> None:
    """What the file does not name is generated, and returned once; another process finds both."""
    web, server = await imported(
        parts,
        InputSettings(" web ", "browser", "key-of-web", [SHOP.upper().replace("HTTPS", "https")], False),
        InputSettings("server"),
    )
    assert (web.change, web.key, web.secret, web.before) == ("add", "key-of-web", None, None)
    inputs = (await parts.reopened()).inputs
    found = inputs.find_browser_input("key-of-web")
    assert found is not None
    assert (found.name, found.origins, found.allows_purchases) == ("web", (SHOP,), False)
    assert server.key is not None and server.secret is not None and server.authorization is not None
    assert inputs.find_by_credentials(server.key, server.secret) is not None
    assert inputs.find_by_authorization("server", server.authorization) is not None


async def test_existing_input_is_changed_and_keeps_its_key(parts: Parts) -> None:
    """Without a key, or with its own; what is the same is reported as such."""
    added = await parts.add_browser_input("web", SHOP)
    given = InputSettings("WEB", "browser", None, [SHOP, "https://m.example.com"], False)
    (difference,) = await imported(parts, given)
    assert (difference.change, difference.name, difference.key, difference.secret) == ("change", "web", None, None)
    found = parts.inputs.find_browser_input(added.key)
    assert found is not None and found.revision == 2
    assert difference.before == added.settings and difference.after == found.settings
    assert found.origins == (SHOP, "https://m.example.com") and not found.allows_purchases
    (same,) = await imported(parts, found.settings)
    assert same.change == "none"
    again = parts.inputs.find_by_name("web")
    assert again is not None and again.revision == 2


async def test_dry_run_changes_nothing_and_shows_no_credentials(parts: Parts) -> None:
    """A key that a dry run generates would not be the one that is stored."""
    await parts.add_browser_input("web", SHOP)
    differences = await imported(
        parts, InputSettings("server"), InputSettings("web", "browser", None, [SHOP], False), dry_run=True
    )
    assert [(each.change, each.key, each.secret, each.authorization) for each in differences] == [
        ("add", None, None, None),
        ("change", None, None, None),
    ]
    assert [(each.name, each.allows_purchases) for each in (await parts.reopened()).inputs.all()] == [("web", True)]


async def test_every_problem_is_reported_and_nothing_is_imported(parts: Parts) -> None:
    """Each problem names the place in the list; the good ones are not added either."""
    await parts.add_browser_input("web", SHOP, key="key-of-web")
    await parts.add_input("server", key="key-of-server")
    with pytest.raises(ConfigurationError) as refused:
        await imported(
            parts,
            InputSettings("good"),
            InputSettings("a/b"),
            InputSettings("web", "server"),
            InputSettings("server", "server", "another-key"),
            InputSettings("more", "browser", "key-of-server", ["shop"]),
            InputSettings("Good", "server", None, [SHOP]),
        )
    assert [problem.split(":")[:2] for problem in refused.value.problems] == [
        ["inputs[1] a/b", " name"],
        ["inputs[2] web", " kind"],
        ["inputs[3] server", " key"],
        ["inputs[4] more", " key"],
        ["inputs[4] more", " origins"],
        ["inputs[5] Good", " name"],
        ["inputs[5] Good", " origins"],
    ]
    assert [each.name for each in (await parts.reopened()).inputs.all()] == ["web", "server"]


async def test_one_key_for_two_inputs_is_refused(parts: Parts) -> None:
    """Neither exists yet, so that only the list shows it."""
    with pytest.raises(ConfigurationError, match=r"inputs\[1\] two: key: is used twice here"):
        await imported(parts, InputSettings("one", key="same-key"), InputSettings("two", key="same-key"))


async def test_number_of_imported_inputs_is_bounded(parts: Parts) -> None:
    """An import is one transaction, which events wait for."""
    with pytest.raises(ConfigurationError, match="at most 250 inputs"):
        await imported(parts, *[InputSettings(f"input-{number}") for number in range(MAX_IMPORTED + 1)])
