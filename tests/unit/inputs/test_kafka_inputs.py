"""Kafka inputs: every problem at once, a password that is sealed and never shown, and one group for one input."""

from typing import Any

import pytest
from msgspec import structs

from tests.unit.parts import Parts
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict, UnknownName
from tiktok_forwarder.inputs.importing import import_inputs
from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.inputs.kafka_checks import MAX_SERVERS, MAX_TOPICS, read_kafka
from tiktok_forwarder.inputs.kafka_inputs import add_kafka_input, change_kafka_input
from tiktok_forwarder.inputs.settings import InputDifference, InputSettings, KafkaSettings

SERVER = "kafka.example.com:9093"
PASSWORD = "sesame-of-the-test"
PLAIN = KafkaSettings((SERVER,), ("batches",))
LOGIN = structs.replace(PLAIN, sasl_mechanism="SCRAM-SHA-512", user_name="bob", password=PASSWORD)


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def add(parts: Parts, name: str = "events", settings: KafkaSettings | None = LOGIN) -> Input:
    return await add_kafka_input(parts.inputs, name, settings, allows_purchases=True, changed_by="ann")


async def change(parts: Parts, settings: KafkaSettings, **members: Any) -> Input:
    given = {"allows_purchases": None, "expected_revision": None, "changed_by": "ann", **members}
    return await change_kafka_input(parts.inputs, "events", settings, **given)


async def test_kafka_input_is_stored_with_a_sealed_password(parts: Parts) -> None:
    """Another process finds it; the document contains the password in no readable form."""
    added = await add(parts)
    inputs = (await parts.reopened()).inputs
    found = inputs.find_by_name("events")
    assert found == added and found is not None and found.kafka is not None
    assert (found.kind, found.key, found.keys, found.kafka.group) == ("kafka", "", (), "tiktok-forwarder-events")
    assert inputs.password_of(found) == PASSWORD and found.kafka.password is None
    document = await parts.store.get_document("input", added.id)
    assert document is not None and PASSWORD.encode() not in document.body
    assert parts.inputs.password_of(await add(parts, "other", PLAIN)) is None


async def test_kafka_input_authenticates_no_sender(parts: Parts) -> None:
    """It has no key and no secrets: the empty ones must not be valid."""
    await add(parts)
    assert parts.inputs.find_by_credentials("", "") is None
    assert parts.inputs.find_by_authorization("events", "") is None
    assert parts.inputs.find_browser_input("") is None
    for rotate in (
        parts.inputs.rotate("events", secret=None, authorization=None, changed_by="ann"),
        parts.inputs.rotate_key("events", key=None, changed_by="ann"),
    ):
        with pytest.raises(ConfigurationError, match="a Kafka input has no key and no secrets for senders"):
            await rotate


async def test_every_problem_of_new_settings_is_found(parts: Parts) -> None:
    """A user corrects the form or the file once."""
    given = KafkaSettings(
        ("kafka", SERVER), ("a b", ".."), "g\x00", "plaintext", None, "bob", "secret", "no certificate"
    )
    with pytest.raises(ConfigurationError) as raised:
        await add(parts, "no name", given)
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        *("name", "servers", "topics", "topics", "group", "user_name", "ca_certificate", "security", "password")
    ]
    with pytest.raises(ConfigurationError, match="kafka: is missing"):
        await add(parts, "events", None)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"servers": ()}, "servers: at least one"),
        ({"servers": tuple(f"kafka{n}.example.com:9093" for n in range(MAX_SERVERS + 1))}, "servers: at most 20"),
        ({"servers": ("kafka.example.com:0",)}, "servers: must be a host and a port"),
        ({"servers": ("kafka.example.com:65536",)}, "servers: must be a host and a port"),
        ({"servers": ("kafka.example.com:9093,other:1",)}, "servers: must be a host and a port"),
        ({"servers": ("[1:2]:9093",)}, "servers: must be a host and a port"),
        ({"servers": ("kafka://kafka.example.com:9093",)}, "servers: must be a host and a port"),
        ({"topics": ()}, "topics: at least one"),
        ({"topics": tuple(f"t{n}" for n in range(MAX_TOPICS + 1))}, "topics: at most 50"),
        ({"topics": ("^all.*",)}, "topics: must be 1 to 249 letters"),
        ({"topics": ("t" * 250,)}, "topics: must be 1 to 249 letters"),
        ({"group": "g" * 201}, "group: must be at most 200"),
        ({"sasl_mechanism": "PLAIN", "password": "p"}, "user_name: is missing"),
        ({"sasl_mechanism": "PLAIN", "user_name": "bob"}, "password: is missing"),
        ({"sasl_mechanism": "PLAIN", "user_name": "bob", "password": "a\nb"}, "password: must be at most 1,000"),
        ({"user_name": "bob"}, "user_name: is used with a sasl_mechanism only"),
        ({"password": "p"}, "password: is used with a sasl_mechanism only"),
        ({"ca_certificate": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"}, "ca_certificate: must be"),
        ({"security": "plaintext"}, "security: kafka.example.com:9093 is not on this machine"),
        ({"security": "plaintext", "servers": ("8.8.8.8:9092",)}, "security: 8.8.8.8:9092 is not on this machine"),
    ],
)
async def test_setting_that_cannot_be_used_is_named(parts: Parts, members: dict[str, Any], problem: str) -> None:
    """The message begins with the field, which the console marks."""
    with pytest.raises(ConfigurationError) as raised:
        await add(parts, "events", structs.replace(PLAIN, **members))
    assert len(raised.value.problems) == 1 and raised.value.problems[0].startswith(problem)


@pytest.mark.parametrize(
    "server", ["127.0.0.1:9092", "[::1]:9092", "10.1.2.3:9092", "192.168.1.2:9092", "localhost:9092", "kafka:9092"]
)
def test_unencrypted_connection_is_allowed_to_private_addresses(server: str) -> None:
    """A name without a dot is resolved by a private name server or not at all."""
    assert read_kafka(structs.replace(PLAIN, servers=(server,), security="plaintext"), "events")[1] == []


def test_settings_are_stored_in_one_form() -> None:
    """Repeats, spaces and the case of host names make no other settings."""
    given = structs.replace(
        PLAIN,
        servers=(
            f" {SERVER.upper()}",
            SERVER,
        ),
        topics=(
            "b ",
            "b",
            "B",
        ),
        group=" g ",
    )
    read, problems = read_kafka(given, "events")
    assert (read.servers, read.topics, read.group, problems) == ((SERVER,), ("b", "B"), "g", [])


async def test_change_keeps_the_password_unless_another_is_given(parts: Parts) -> None:
    """An equal password stays sealed as it was; without a login, the password is forgotten."""
    added = await add(parts)
    kept = await change(parts, structs.replace(LOGIN, password=None, topics=("more",)))
    assert kept.kafka is not None and kept.kafka.topics == ("more",)
    assert kept.sealed_password == added.sealed_password
    assert (await change(parts, LOGIN)).sealed_password == added.sealed_password
    other = await change(parts, structs.replace(LOGIN, password="another"), allows_purchases=False)
    assert parts.inputs.password_of(other) == "another" and not other.allows_purchases
    with pytest.raises(RevisionConflict):
        await change(parts, LOGIN, expected_revision=added.revision)
    assert (await change(parts, PLAIN)).sealed_password is None
    with pytest.raises(ConfigurationError, match="password: is missing"):
        await change(parts, structs.replace(LOGIN, password=None))


async def test_change_of_another_input_is_refused(parts: Parts) -> None:
    """Only a Kafka input has these settings."""
    with pytest.raises(UnknownName):
        await change(parts, PLAIN)
    await parts.add_input("events")
    with pytest.raises(ConfigurationError, match='kafka: input "events" is not a Kafka input'):
        await change(parts, PLAIN)


async def test_group_of_another_input_is_refused(parts: Parts) -> None:
    """Each message would go to only one of the two."""
    await add(parts)
    shared = structs.replace(
        PLAIN,
        group="tiktok-forwarder-events",
        servers=(
            "b.example.com:9093",
            SERVER,
        ),
    )
    with pytest.raises(ConfigurationError, match='group: input "events" is in the group tiktok-forwarder-events'):
        await add(parts, "other", shared)
    await add(parts, "other", structs.replace(shared, servers=("b.example.com:9093",)))


async def test_import_adds_and_changes_kafka_inputs(parts: Parts) -> None:
    """Differences show that a password changes, and never the password."""

    async def imported(settings: KafkaSettings | None, **members: Any) -> InputDifference:
        given = InputSettings("events", "kafka", kafka=settings, **members)
        (found,) = await import_inputs(parts.inputs, [given], dry_run=False, changed_by="ann")
        assert PASSWORD not in repr(found) and "another" not in repr(found)
        return found

    added = await imported(LOGIN)
    assert (added.change, added.changes_password, added.key) == ("add", True, None)
    assert (await imported(LOGIN)).change == "none"
    assert (await imported(structs.replace(LOGIN, password=None))).change == "none"
    other = await imported(structs.replace(LOGIN, password="another"))
    assert (other.change, other.changes_password) == ("change", True)
    found = parts.inputs.find_by_name("events")
    assert found is not None and parts.inputs.password_of(found) == "another"
    assert (await imported(structs.replace(LOGIN, topics=("more",), password=None))).change == "change"
    for settings, members, problem in (
        (None, {}, "kafka: is missing"),
        (LOGIN, {"key": "key-of-events"}, "key: a Kafka input has none"),
        (LOGIN, {"origins": ["https://shop.example.com"]}, "origins: only a browser input has some"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            await imported(settings, **members)
    with pytest.raises(ConfigurationError, match="kafka: only a Kafka input has some"):
        server = InputSettings("server", kafka=LOGIN)
        await import_inputs(parts.inputs, [server], dry_run=False, changed_by="ann")
