"""Questions that the nodes of a database answer each other."""

import time
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.unit.store.postgres_rig import LIMITS, OneDatabase, one_database
from tiktok_forwarder.secrets.secret_box import AesGcmSecretBox
from tiktok_forwarder.store.postgres.database import Database
from tiktok_forwarder.store.postgres.nodes import PostgresNodes

KEY = bytes(range(32))
LEFT = "SELECT (SELECT count(*) FROM forwarder.questions) + (SELECT count(*) FROM forwarder.answers)"
# Keeps a copy of what is written to the tables for as long as they live.
COPIES = """
    CREATE TABLE copies (body bytea);
    CREATE FUNCTION copy_body() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO copies VALUES (NEW.body); RETURN NEW; END $$;
    CREATE TRIGGER copy BEFORE INSERT ON forwarder.questions FOR EACH ROW EXECUTE FUNCTION copy_body();
    CREATE TRIGGER copy BEFORE INSERT ON forwarder.answers FOR EACH ROW EXECUTE FUNCTION copy_body();
"""


def _answer(number: int, question: bytes) -> bytes:
    return b"%d: %s" % (number, question)


class Rig:
    """Nodes of one database, which are stopped at the end."""

    def __init__(self, database: OneDatabase) -> None:
        self.database = database
        self._opened: list[tuple[PostgresNodes, Database]] = []

    async def open(self, key: bytes = KEY) -> PostgresNodes:
        """A node that answers with its name, the question and a letter that no ASCII text has."""
        database = await Database.connect(self.database.address, LIMITS)
        node = PostgresNodes(database, AesGcmSecretBox(key))
        self._opened.append((node, database))
        node.on_question("seen_names", partial(_answer, len(self._opened)))
        node.start()
        return node

    async def all_listen(self, count: int) -> None:
        """Wait until so many nodes can be asked."""
        await self.database.until("SELECT count(*) FROM forwarder.listening_nodes", count)

    async def close(self) -> None:
        for node, database in self._opened:
            await node.close()
            await database.close()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with one_database() as database:
        await (await database.open()).close()
        opened = Rig(database)
        yield opened
        await opened.close()


async def test_all_other_nodes_answer(rig: Rig) -> None:
    """Each other node answers once, and nothing of question and answers is left in the database."""
    first, *_ = [await rig.open() for _ in range(3)]
    await rig.all_listen(3)
    question = "jane@example.com, é".encode()
    assert sorted(await first.ask("seen_names", question)) == [b"2: " + question, b"3: " + question]
    assert await rig.database.value(LEFT) == 0


async def test_what_is_asked_is_sealed_and_not_logged(rig: Rig) -> None:
    """The database sees neither question nor answer, and keeps them out of its log."""
    asking, answering = await rig.open(), await rig.open()
    answering.on_question("development_events", lambda question: question)
    await rig.all_listen(2)
    await rig.database.run(COPIES)
    assert await asking.ask("development_events", b"jane@example.com") == [b"jane@example.com"]
    copies = await rig.database.value("SELECT array_agg(body) FROM copies")
    assert len(copies) == 2 and not any(b"jane" in body for body in copies)
    kinds = "SELECT string_agg(DISTINCT relpersistence::text, '') FROM pg_class WHERE relname = ANY($1)"
    assert await rig.database.value(kinds, ["questions", "answers"]) == "u"


async def test_a_node_that_does_not_answer_is_left_out(rig: Rig) -> None:
    """A question is over after about a second, whoever has died without a word."""
    first, second = await rig.open(), await rig.open()
    await rig.all_listen(2)
    dead = "INSERT INTO forwarder.listening_nodes VALUES (gen_random_uuid(), clock_timestamp()) RETURNING 1"
    await rig.database.value(dead)
    began = time.monotonic()
    assert await first.ask("seen_names") == [b"2: "]
    assert 0.9 < time.monotonic() - began < 3
    await second.close()
    assert await rig.database.value("SELECT count(*) FROM forwarder.listening_nodes") == 2


async def test_nobody_answers_with_another_key_or_topic(rig: Rig) -> None:
    """A node without the key of the others cannot read what they ask; one of another version may not know the topic."""
    first = await rig.open()
    await rig.open(bytes(32))
    await rig.all_listen(2)
    assert await first.ask("seen_names") == []
    await rig.open()
    await rig.all_listen(3)
    assert await first.ask("delivery_status") == []


async def test_alone_and_without_a_database_there_is_no_answer(rig: Rig) -> None:
    """A question never fails and never waits for nobody."""
    node = await rig.open()
    await rig.all_listen(1)
    began = time.monotonic()
    assert await node.ask("seen_names") == () and time.monotonic() - began < 0.5
    await rig.database.value("INSERT INTO forwarder.answers VALUES (99, gen_random_uuid(), '') RETURNING 1")
    await rig.database.value("DROP TABLE forwarder.listening_nodes CASCADE")
    assert await node.ask("seen_names") == ()


async def test_questions_of_the_dead_are_deleted(rig: Rig) -> None:
    """What a node that was killed has asked, and what came too late, does not stay."""
    await (await rig.open()).close()
    await rig.database.value(
        "INSERT INTO forwarder.questions (process, topic, body, asked_at) "
        "VALUES (gen_random_uuid(), 'seen_names', '', clock_timestamp() - interval '2 minutes') RETURNING 1"
    )
    await rig.database.value("INSERT INTO forwarder.answers VALUES (99, gen_random_uuid(), '') RETURNING 1")
    await rig.open()
    await rig.database.until(LEFT, 0)
