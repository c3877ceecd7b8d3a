"""Connections that are changed, removed and imported, and the history that this leaves."""

import asyncio
from typing import Any

import pytest
from tests.unit.parts import TOKEN, Parts

from tiktok_forwarder.connections.connections import Difference
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict, UnknownName
from tiktok_forwarder.mapping.connection import Connection, connection_document, read_connection

OTHER_TOKEN = "another-token-9876543210"


@pytest.fixture
def parts() -> Parts:
    return Parts()


def named(name: str, **settings: Any) -> dict[str, object]:
    return {"name": name, "pixel_id": f"pixel-{name.replace(' ', '-')}", "access_token": TOKEN, **settings}


def documents(parts: Parts) -> dict[str, dict[str, object]]:
    return {each.name: connection_document(each) for each in parts.connections.all()}


async def change(parts: Parts, name_or_id: str, /, expected_revision: int | None = None, **changes: Any) -> Connection:
    return await parts.connections.set(name_or_id, changes, expected_revision=expected_revision, changed_by="ann")


async def bring_in(parts: Parts, *given: dict[str, object], dry_run: bool = False) -> list[Difference]:
    return await parts.connections.import_all(given, dry_run=dry_run, changed_by="ann")


# --- set ---


async def test_a_change_leaves_all_else(parts: Parts) -> None:
    """What is not named stays, the token too; null sets a setting back to its default."""
    connection_id = await parts.add_connection("Shop", default_currency="EUR", platforms="any")
    changed = await change(parts, "shop", platforms=None, sample_percent=50)
    assert (changed.id, changed.revision, changed.platforms) == (connection_id, 2, "web")
    assert (changed.default_currency, changed.sample_percent) == ("EUR", 50)
    again = (await parts.reopened()).connections
    assert again.find("Shop") == changed
    assert again.access_token(connection_id) == TOKEN


async def test_a_new_token_replaces_the_old(parts: Parts) -> None:
    """The deliverer gets the new one at once."""
    connection_id = await parts.add_connection("Shop")
    await change(parts, "Shop", access_token=OTHER_TOKEN)
    assert parts.connections.access_token(connection_id) == OTHER_TOKEN


async def test_a_change_upon_an_old_revision_is_refused(parts: Parts) -> None:
    """Who has read revision 1 cannot overwrite revision 2; nothing is changed then."""
    await parts.add_connection("Shop")
    await change(parts, "Shop", expected_revision=1, platforms="any")
    with pytest.raises(RevisionConflict, match="revision 2, not 1"):
        await change(parts, "Shop", expected_revision=1, platforms="web")
    found = parts.connections.find("Shop")
    assert found is not None and (found.revision, found.platforms) == (2, "any")


async def test_of_two_changes_upon_one_revision_one_is_refused(parts: Parts) -> None:
    """Also when both come at the same moment."""
    await parts.add_connection("Shop")
    results = await asyncio.gather(
        *(change(parts, "Shop", expected_revision=1, sample_percent=share) for share in (10, 20)),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(RevisionConflict) == 1


async def test_every_problem_of_a_change_is_told(parts: Parts) -> None:
    """Problems of values, a taken name and an unknown connection are told, and change nothing."""
    await parts.add_connection("Shop")
    await parts.add_connection("Other")
    before = documents(parts)
    with pytest.raises(ConfigurationError) as refused:
        await change(parts, "Shop", platforms="tv", sample_percent=10**400, colour="red")
    assert sorted(each.partition(":")[0] for each in refused.value.problems) == [
        "colour",
        "platforms",
        "sample_percent",
    ]
    with pytest.raises(ConfigurationError, match='a connection named "other" already exists'):
        await change(parts, "Shop", name="other")
    with pytest.raises(UnknownName, match="nobody"):
        await change(parts, "nobody", platforms="any")
    assert documents(parts) == before


async def test_a_connection_may_be_renamed(parts: Parts) -> None:
    """The id stays, the old name is free again, and another case of one's own name is no clash."""
    connection_id = await parts.add_connection("Shop")
    await change(parts, "Shop", name="SHOP")
    await change(parts, connection_id, name="Store")
    assert parts.connections.find("Shop") is None
    found = parts.connections.find("store")
    assert found is not None and found.id == connection_id
    await parts.add_connection("Shop")


async def test_the_deliverer_hears_of_each_change(parts: Parts) -> None:
    """Once it is stored: a change, a removal and an import each name the connections they touch."""
    told: list[str] = []

    async def changed(connection_id: str) -> None:
        told.append(connection_id)

    one, two = await parts.add_connection("One"), await parts.add_connection("Two")
    parts.connections.on_change(changed)
    await change(parts, "One", enabled=False)
    await bring_in(parts, named("One"), named("Two"))
    await parts.connections.remove("Two", "ann")
    assert told == [one, one, two]


async def test_a_changed_connection_maps_anew(parts: Parts) -> None:
    """The next request is mapped by the new settings, for the inputs that feed it now."""
    await parts.add_input("web")
    await parts.add_input("app")
    await parts.add_connection("Shop", inputs=["web"])
    assert len(parts.connections.mappers_of("web")) == 1
    await change(parts, "Shop", inputs=["app"], purchase_event="CompletePayment")
    (mapper,) = parts.connections.mappers_of("app")
    assert parts.connections.mappers_of("web") == ()
    assert mapper.connection.purchase_event == "CompletePayment"


# --- remove ---


async def test_a_removed_connection_is_gone_but_for_its_history(parts: Parts) -> None:
    """No input feeds it and no name or id finds it; its history is still found by its id."""
    await parts.add_input("web")
    connection_id = await parts.add_connection("Shop")
    await parts.connections.remove("SHOP", "ann")
    again = await parts.reopened()
    for connections in (parts.connections, again.connections):
        assert connections.find("Shop") is None and connections.target(connection_id) is None
        assert connections.mappers_of("web") == ()
    history = await again.connections.history(connection_id)
    assert [(entry.revision, entry.removed) for entry in history] == [(1, False), (2, True)]
    with pytest.raises(UnknownName):
        await parts.connections.remove("Shop", "ann")


# --- import ---


async def test_ten_connections_with_three_wrong_ones_change_nothing(parts: Parts) -> None:
    """All three are named with their place, each with all of its problems."""
    await parts.add_connection("shop 0", default_currency="EUR")
    before = documents(parts)
    given = [named(f"shop {number}") for number in range(10)]
    given[2] = named("shop 2", platforms="tv", sample_percent=101)
    given[5] = {"name": "shop 5", "pixel_id": "p"}
    given[9] = named("SHOP 3")
    with pytest.raises(ConfigurationError) as refused:
        await bring_in(parts, *given)
    assert [problem.rpartition(": ")[0].split(", but")[0] for problem in refused.value.problems] == [
        "connections[2] shop 2: platforms",
        "connections[2] shop 2: sample_percent",
        "connections[5] shop 5: access_token",
        "connections[9] SHOP 3: name",
    ]
    assert documents(parts) == before == documents(await parts.reopened())
    assert TOKEN not in str(refused.value)


async def test_connections_without_names_are_told_by_their_place(parts: Parts) -> None:
    """Two nameless ones are two of the same fault."""
    with pytest.raises(ConfigurationError) as refused:
        await bring_in(parts, {"name": None}, {"pixel_id": "p", "access_token": TOKEN})
    assert refused.value.problems[0].startswith("connections[0]: name: is required")
    assert refused.value.problems[-1].startswith("connections[1]: name: is required")


async def test_an_import_adds_changes_and_leaves(parts: Parts) -> None:
    """The differences say which is which; what an imported connection does not name goes back to its default."""
    kept = await parts.add_connection("Kept")
    await parts.add_connection("Changed", default_currency="EUR")
    given = [named("Kept"), named("changed", sample_percent=5), named("New")]
    differences = await bring_in(parts, *given)
    assert [(each.name, each.change) for each in differences] == [
        ("Kept", "none"),
        ("changed", "change"),
        ("New", "add"),
    ]
    fields = {each.field: (each.before, each.after) for each in differences[1].fields}
    assert fields["sample_percent"] == (100, 5) and fields["default_currency"] == ("EUR", None)
    found = parts.connections.find(kept)
    assert found is not None and found.revision == 1
    assert sorted(documents(parts)) == ["Kept", "New", "changed"]


async def test_a_dry_run_only_says_what_would_change(parts: Parts) -> None:
    """It tells the same differences as the import after it, and leaves everything as it is."""
    await parts.add_connection("Shop")
    given = [named("Shop", platforms="any"), named("New")]
    before = documents(parts)
    foreseen = await bring_in(parts, *given, dry_run=True)
    assert documents(parts) == before == documents(await parts.reopened())
    assert await bring_in(parts, *given) == foreseen
    assert [each.change for each in await bring_in(parts, *given)] == ["none", "none"]


async def test_an_imported_connection_keeps_its_token_unless_one_is_given(parts: Parts) -> None:
    """Without a token, or with the one it has, nothing changes; a new one is a change whose value is not shown."""
    connection_id = await parts.add_connection("Shop")
    without: dict[str, object] = {"name": "Shop", "pixel_id": "pixel-Shop"}
    for given in (without, named("Shop")):
        assert [each.change for each in await bring_in(parts, given)] == ["none"]
        assert parts.connections.access_token(connection_id) == TOKEN
    (difference,) = await bring_in(parts, {**without, "access_token": OTHER_TOKEN})
    assert [(each.field, each.before, each.after) for each in difference.fields] == [
        ("access_token", None, "a new token")
    ]
    assert parts.connections.access_token(connection_id) == OTHER_TOKEN


async def test_what_is_exported_can_be_imported(parts: Parts) -> None:
    """A connection's document, with a token, makes the same connection on another service."""
    mapping = {"event": "Search", "event_type": "screen_view", "event_name": "Find", "properties": {}}
    await parts.add_connection("Shop", custom_mappings=[mapping], sample_percent=12.5, test_event_code="TEST1")
    elsewhere = Parts()
    await bring_in(elsewhere, *[{**document, "access_token": TOKEN} for document in documents(parts).values()])
    assert documents(elsewhere) == documents(parts)


# --- history ---


async def test_history_tells_who_changed_what_and_when(parts: Parts) -> None:
    """Each revision with its author, time and fields before and after; of the token only that it was changed."""
    await parts.add_connection("Shop")
    parts.clock.time_ms += 1000
    await change(parts, "Shop", platforms="any", access_token=OTHER_TOKEN)
    first, second = await parts.connections.history("shop")
    assert (first.revision, first.changed_by) == (1, "test")
    assert (second.revision, second.changed_by, second.changed_at_ms) == (2, "ann", parts.clock.time_ms)
    assert {each.field: (each.before, each.after) for each in second.fields} == {
        "platforms": ("web", "any"),
        "access_token": (None, "a new token"),
    }
    assert "access_token" in [each.field for each in first.fields]
    assert TOKEN not in repr([first, second]) and OTHER_TOKEN not in repr([first, second])
    with pytest.raises(UnknownName, match="nobody"):
        await parts.connections.history("nobody")


@pytest.mark.parametrize(("count", "is_refused"), [(250, False), (251, True)])
async def test_import_of_more_than_250_connections_is_refused(parts: Parts, count: int, is_refused: bool) -> None:
    """They are checked while senders wait."""
    given = [named(f"Shop {number}") for number in range(count)]
    if not is_refused:
        assert len(await bring_in(parts, *given, dry_run=True)) == 250
        return
    with pytest.raises(ConfigurationError) as caught:
        await bring_in(parts, *given, dry_run=True)
    assert caught.value.problems == ("at most 250 connections are imported at a time, not 251",)


async def test_problem_of_a_connection_with_a_long_name_names_its_reason(parts: Parts) -> None:
    """The name is cut to 100 characters, the reason is not."""
    with pytest.raises(ConfigurationError) as caught:
        await bring_in(parts, named("n" * 5000, sample_percent=101))
    place = f"connections[0] {'n' * 100}"
    assert f"{place}: sample_percent: must be a number from 0 to 100, not 101" in caught.value.problems
    assert all(problem.startswith(f"{place}: ") for problem in caught.value.problems)


# --- record only ---


async def test_recording_connection_needs_a_token_only_to_send(parts: Parts) -> None:
    """Mappings can be compared before anyone has made an access token."""
    given = {"name": "Shop", "pixel_id": "C9", "delivery": "record"}
    made = await parts.connections.add(given, "ann")
    assert made.is_recording and parts.connections.access_token(made.id) == ""
    with pytest.raises(ConfigurationError, match="access_token: is required to send events"):
        await change(parts, "Shop", delivery="send")
    with pytest.raises(ConfigurationError, match="access_token: is required to send events"):
        await bring_in(parts, {"name": "Shop", "pixel_id": "C9"})
    sending = await change(parts, "Shop", delivery="send", access_token=TOKEN)
    assert not sending.is_recording and parts.connections.access_token(made.id) == TOKEN
    assert (await change(parts, "Shop", delivery="record")).is_recording
    assert not (await change(parts, "Shop", delivery=None)).is_recording


async def test_connection_of_an_earlier_version_sends(parts: Parts) -> None:
    """Stored settings without the choice mean what they meant before there was one."""
    connection_id = await parts.add_connection("Shop")
    connection = parts.connections.find(connection_id)
    assert connection is not None
    document = connection_document(connection)
    del document["delivery"]
    read = read_connection(document, needs_token=False, may_be_placeholder=True).connection
    assert not read.is_recording
