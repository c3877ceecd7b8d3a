"""`docs/privacy.md` lists what is stored: compared with what services have really stored, and with all they could."""

import ast
import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import get_args

import apsw
import msgspec
import pytest

from tests.integration.service_process import command
from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.postgres_server import shared_server
from tests.privacy_page import listed_fields
from tests.unit.store.postgres_rig import one_database
from tiktok_forwarder.access.api_keys import KeyRecord
from tiktok_forwarder.access.audit import AuditEntry
from tiktok_forwarder.access.login_links import LoginLink
from tiktok_forwarder.access.login_throttle import _Failures
from tiktok_forwarder.access.sessions import _End
from tiktok_forwarder.access.sessions import _Record as SessionRecord
from tiktok_forwarder.access.users import UserRecord
from tiktok_forwarder.activity.records import Facts
from tiktok_forwarder.connections.connections import ConnectionRecord
from tiktok_forwarder.connections.first_steps import _Steps
from tiktok_forwarder.delivery.check_records import CheckRecord
from tiktok_forwarder.delivery.pauses import DeliveryState
from tiktok_forwarder.inputs.inputs import InputRecord
from tiktok_forwarder.notices.recipient_settings import RecipientSettings
from tiktok_forwarder.notices.recipients import RecipientRecord
from tiktok_forwarder.operations.dead_letter_ends import _Stored
from tiktok_forwarder.operations.erasure import Person
from tiktok_forwarder.operations.replays import _Record as ReplayRecord
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.documents import DocumentKind
from tiktok_forwarder.store.expiring import ExpiringKind

PASSWORD = "a password of some length"
SOURCES = Path(__file__).parents[2] / "src" / "tiktok_forwarder"
# By kind; a secret is one sealed text under its ID, and a known source or a finished OIDC login is there or not.
BODIES: Mapping[str, type | None] = {
    "connection": ConnectionRecord,
    "input": InputRecord,
    "delivery_state": DeliveryState,
    "connection_check": CheckRecord,
    "first_steps": _Steps,
    "secret": None,
    "user": UserRecord,
    "api_key": KeyRecord,
    "recipient": RecipientRecord,
    "audit": AuditEntry,
    "session": SessionRecord,
    "session_end": _End,
    "login_link": LoginLink,
    "failing_source": _Failures,
    "failing_account": _Failures,
    "known_source": None,
    "oidc_login": None,
    "replay": ReplayRecord,
    "retention": _Stored,
}


def members(place: str, body: type) -> dict[str, set[str]]:
    """The members of a stored structure and of those within it, by their paths."""
    found = {place: {field.encode_name for field in msgspec.structs.fields(body)}}
    for field in msgspec.structs.fields(body):
        for part in get_args(field.type) or (field.type,):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                found |= members(f"{place}.{field.encode_name}", part)
    return found


def columns_of_files(data_dir: Path) -> dict[str, set[str]]:
    """The columns of every table of every SQLite file in the directory."""
    found: dict[str, set[str]] = {}
    for file in data_dir.glob("*.db"):
        with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            tables = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_stat1'"
            )
            for (table,) in tables.fetchall():
                rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
                found[f"{file.name}: {table}"] = {name for (name,) in rows}
    return found


def in_place(prefix: str, listed: Mapping[str, set[str]]) -> dict[str, set[str]]:
    return {place: fields for place, fields in listed.items() if place.startswith(prefix)}


def test_every_member_of_a_stored_document_is_listed() -> None:
    """A new kind, or a new member of one, has to be described; none is described that is not stored."""
    assert BODIES.keys() == {*get_args(DocumentKind), *get_args(ExpiringKind)}
    stored: dict[str, set[str]] = {
        "secret": {"subject_key"},
        "known_source": set(),
        "oidc_login": set(),
        **members("facts", Facts),
    }
    for kind, body in BODIES.items():
        if body is not None:
            stored |= members(kind, body)
    stored["answer"] = stored["facts.answer"]
    listed = {
        place: fields
        for place, fields in listed_fields().items()
        if place.split(".")[0] in {*BODIES, "facts", "answer"}
    }
    assert listed == stored


def test_every_member_of_a_log_line_is_listed() -> None:
    """Those that structlog adds, and the arguments of every call that logs."""
    logged = {"event", "level", "timestamp"}
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                logger = ast.unparse(node.func.value)
                if logger.endswith(("_log", ".log", "get_logger()")):
                    logged |= {keyword.arg for keyword in node.keywords if keyword.arg is not None}
    assert listed_fields()["log"] == logged


async def test_every_column_of_postgresql_is_listed() -> None:
    """As the server knows them after all migrations."""
    async with one_database() as database:
        await database.open()
        async with shared_server().connection(database.name) as connection:
            rows = await connection.fetch(
                "SELECT 'forwarder.' || table_name, array_agg(column_name::text) FROM information_schema.columns "
                "WHERE table_schema = 'forwarder' GROUP BY table_name"
            )
    assert in_place("forwarder.", listed_fields()) == {table: set(columns) for table, columns in rows}


async def use(service: Service) -> None:
    """Leave something of each kind in the data directory, as people and senders do."""
    services = service.services
    connection_id = await service.add_connection()
    await service.post(body=fresh_batch("e1", "e2", user_identities={"customer_id": "customer-1815"}))
    await services.deliverer.pause(connection_id, "maintenance", "anna")
    await services.store.dead_letter_all(connection_id, "refused", 1)
    await services.dead_letters.replay(DeadLetterFilter())
    await services.first_steps.put_away(connection_id, "anna", is_put_away=True)
    await services.api_keys.make("Dashboard", "read", "anna")
    user = await services.console_access.users.add_with_password("anna", "admin", PASSWORD, "command line")
    await services.console_access.log_in(user.name, PASSWORD, "203.0.113.7")
    await services.console_access.log_in(user.name, "wrong", "203.0.113.7")
    await services.person_erasure.erase(Person(mpid="7"), "anna")
    to = RecipientSettings("Team", "slack", url="https://hooks.example.com/services/T0/B0/x")
    await services.notices.recipients.add(to, "anna")
    await services.dead_letters.ends.establish(1)


@pytest.mark.sqlite_files("the columns of its files")
async def test_everything_that_a_service_leaves_in_its_directory_is_listed(tmp_path: Path) -> None:
    """Files, tables, and the members of the documents that are really in them."""
    data_dir, listed = tmp_path / "data", listed_fields()
    async with running_service(data_dir) as service:
        await use(service)
        files = {file.name for file in data_dir.iterdir()}
        assert files == listed["data directory"] - {"imports"}
    columns = columns_of_files(data_dir)
    assert columns == {**in_place("events.db: ", listed), **in_place("activity.db: ", listed)}
    with closing(apsw.Connection(str(data_dir / "events.db"))) as connection:
        rows = connection.execute(
            "SELECT kind, body FROM document_history WHERE kind <> 'secret' AND body <> x'' "
            "UNION ALL SELECT kind, body FROM expiring_documents WHERE kind <> 'replay' AND body <> x''"
        ).fetchall()
        documents = [(str(kind), json.loads(bytes(body))) for kind, body in rows if isinstance(body, bytes)]
        kinds = {kind for (kind,) in connection.execute("SELECT DISTINCT kind FROM expiring_documents")}
    assert {kind for kind, _ in documents} | kinds >= {*BODIES} - {
        "connection_check",
        "login_link",
        "oidc_login",
        "secret",
    }
    for kind, body in documents:
        assert body.keys() <= listed[kind], kind


@pytest.mark.sqlite_files("the directory of its files")
def test_note_of_an_import_is_listed(data_dir: Path, tmp_path: Path) -> None:
    """It is in a directory of its own, which is there once a file was imported; the note goes when all is read."""
    recorded = tmp_path / "recorded.json"
    recorded.write_text(json.dumps(fresh_batch("e1")))
    done = command("import", str(recorded), "--input", "shop", "--data-dir", str(data_dir))
    assert done.returncode == 0, done.stderr
    files = {file.name for file in data_dir.iterdir()}
    assert "imports" in files and files <= listed_fields()["data directory"]
    assert list((data_dir / "imports").iterdir()) == []
