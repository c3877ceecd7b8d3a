"""Connections: kept as documents, held in memory, and given to mapping and delivery."""

import asyncio

import pytest
from tests.unit.parts import TOKEN, Parts

from tiktok_forwarder.connections.connections import idle_input_warnings
from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_a_connection_is_found_again(parts: Parts) -> None:
    """Another process on the same store has it with the same settings, by name in any case and by id."""
    connection_id = await parts.add_connection("Shop", events_api="1.0", default_currency="EUR")
    connections = (await parts.reopened()).connections
    found = connections.find(" shop ")
    assert found is not None and found == connections.find(connection_id)
    assert (found.id, found.revision, found.events_api, found.default_currency) == (connection_id, 1, "1.0", "EUR")
    assert connections.find("other") is None


async def test_custom_mappings_survive(parts: Parts) -> None:
    """Mappings come back from the store as they were given."""
    mapping = {
        "event": "Search",
        "event_type": "custom_event",
        "event_name": "Site Search",
        "conditions": [{"attribute": "results", "values": ["1"]}],
        "properties": {"query": {"attribute": "term", "required": True}},
    }
    await parts.add_connection("Shop", custom_mappings=[mapping])
    before, after = parts.connections.find("Shop"), (await parts.reopened()).connections.find("Shop")
    assert before is not None and before.custom_mappings and before == after


async def test_the_token_is_stored_sealed_and_opens_for_sending(parts: Parts) -> None:
    """The stored document holds no readable token; the deliverer gets it."""
    connection_id = await parts.add_connection("Shop")
    (document,) = await parts.store.list_documents("connection")
    assert TOKEN.encode() not in document.body
    assert parts.connections.access_token(connection_id) == TOKEN


async def test_a_token_of_another_record_does_not_open(parts: Parts) -> None:
    """A sealed token copied into another connection's document is refused when it is needed."""
    one, two = await parts.add_connection("One"), await parts.add_connection("Two")
    documents = {document.id: document for document in await parts.store.list_documents("connection")}
    await parts.store.put_document(
        "connection", two, documents[one].body, expected_revision=1, changed_by="test", now_ms=0
    )
    with pytest.raises(SecretUnreadable):
        (await parts.reopened()).connections.access_token(two)


async def test_nothing_held_in_memory_shows_a_token(parts: Parts) -> None:
    """Printing what is held, as a log or a debugger would, shows no token."""
    await parts.add_connection("Shop")
    assert TOKEN not in repr(vars(parts.connections)) + repr(parts.connections.all())


async def test_names_are_unique_in_any_case(parts: Parts) -> None:
    """A second connection of the same name is refused, also when both come at the same moment."""
    results = await asyncio.gather(parts.add_connection("Shop"), parts.add_connection("SHOP"), return_exceptions=True)
    assert [isinstance(result, ConfigurationError) for result in results].count(True) == 1
    with pytest.raises(ConfigurationError, match="already"):
        await parts.add_connection("shop")


async def test_inputs_must_be_there(parts: Parts) -> None:
    """A connection that names unknown inputs is refused with those that there are."""
    await parts.add_input("web")
    with pytest.raises(ConfigurationError) as refused:
        await parts.add_connection("Shop", inputs=["web", "app", "crm"])
    assert len(refused.value.problems) == 2
    assert "app" in refused.value.problems[0] and "web" in refused.value.problems[0]


async def test_a_refused_connection_leaves_nothing(parts: Parts) -> None:
    """What is not valid is not stored."""
    with pytest.raises(ConfigurationError):
        await parts.add_connection("Shop", events_api="3.0")
    assert await parts.store.list_documents("connection") == []


async def test_an_input_feeds_those_that_name_it_or_none(parts: Parts) -> None:
    """A connection without inputs takes all, one with inputs those alone, in any case of the name."""
    await parts.add_input("web")
    await parts.add_input("app")
    for name, inputs in (("All", []), ("Web", ["WEB"]), ("App", ["app"])):
        await parts.add_connection(name, inputs=inputs)
    fed = {name: [mapper.connection.name for mapper in parts.connections.mappers_of(name)] for name in ("web", "app")}
    assert fed == {"web": ["All", "Web"], "app": ["All", "App"]}


async def test_inputs_that_feed_no_connection_are_idle(parts: Parts) -> None:
    """Until a connection takes them; one that is disabled does, since it counts what it drops."""
    for name in ("web", "app"):
        await parts.add_input(name)
    assert parts.connections.idle_inputs() == ["web", "app"]
    web = await parts.add_connection("Web", inputs=["WEB"], enabled=False)
    assert parts.connections.idle_inputs() == ["app"]
    await parts.add_connection("App", inputs=["app"])
    assert parts.connections.idle_inputs() == []
    await parts.connections.remove(web, "test")
    assert parts.connections.idle_inputs() == ["web"]


def test_idle_inputs_are_one_warning_however_many_they_are() -> None:
    """It names the first few."""
    assert idle_input_warnings([]) == []
    assert [each.partition(":")[0] for each in idle_input_warnings(["web"])] == ['input "web" feeds no connection']
    (two,) = idle_input_warnings(["web", "app"])
    assert two.startswith('inputs "web", "app" feed no connection: ')
    (many,) = idle_input_warnings([str(number) for number in range(1, 8)])
    assert many.startswith('inputs "1", "2", "3", "4", "5" and 2 more feed no connection: ')


async def test_a_new_connection_is_fed_at_once(parts: Parts) -> None:
    """Adding a connection reaches an input that has been asked for before, and is told to the deliverer."""
    told: list[str] = []

    async def changed(connection_id: str) -> None:
        told.append(connection_id)

    parts.connections.on_change(changed)
    await parts.add_input("web")
    assert parts.connections.mappers_of("web") == ()
    connection_id = await parts.add_connection("Shop")
    assert len(parts.connections.mappers_of("web")) == 1
    assert told == [connection_id]


async def test_the_deliverer_sees_what_requests_are_addressed_to(parts: Parts) -> None:
    """The target carries pixel, test code and whether the connection is enabled; there is none for an unknown id."""
    connection_id = await parts.add_connection("Shop", test_event_code="TEST123", enabled=False)
    target = parts.connections.target(connection_id)
    assert target is not None
    assert (target.pixel_id, target.test_event_code, target.enabled) == ("pixel-Shop", "TEST123", False)
    assert list(parts.connections.connection_ids()) == [connection_id]
    assert parts.connections.target("cn_none") is None
