"""Erasing a person from a real service: events in every state, all files searched afterwards."""

import io
import json
import shutil
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.store_choice import stored_contents
from tests.unit.cli.running import Run
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.sqlite import store as sqlite_store
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Code, Sandbox

EMAIL = "Ada.Lovelace@example.com"
PHONE = "+14155550107"
CUSTOMER = "customer-1815"
MPID = "7212345678901234567"
IP = "203.0.113.77"
# Three of the ways in which a sender may know her; a search by one of them finds those alone.
HERS: tuple[dict[str, Any], ...] = (
    {"user_identities": {"email": EMAIL}},
    {"user_identities": {"customer_id": CUSTOMER, "mobile_number": "(415) 555-0107"}},
    {"mpid": int(MPID), "user_identities": {}},
)
SETTINGS = {"anonymous_events": "forward", "default_phone_region": "US"}
OTHERS = 17
STATES = ("Waiting", "Leased", "Retried", "Dead", "Delivered")


def traces() -> list[bytes]:
    """Everything that would tell of her, in clear and as SHA-256."""
    clear = [EMAIL, EMAIL.lower(), PHONE, PHONE[1:], CUSTOMER, MPID, IP]
    return [text.encode() for text in [*clear, *(sha256(each.encode()).hexdigest() for each in clear)]]


def found_in(data_dir: Path) -> list[tuple[str, bytes]]:
    """Which file of the data directory, or table of its database, still holds what."""
    contents = stored_contents(data_dir)
    assert contents.keys() & {"activity.db", "activity_records"}
    return [(name, trace) for name, content in contents.items() for trace in traces() if trace in content]


async def fill(service: Service, sandbox: Sandbox) -> None:
    """Hers and others' events in each state."""
    ids = {state: await service.add_connection(state, **SETTINGS) for state in STATES}
    for state in ("Waiting", "Dead"):
        await service.services.deliverer.pause(ids[state], "", "test")
    sandbox.script.for_pixel("PIXELLEASED", Code(code=50000, delay_seconds=3.0, times=None))
    sandbox.script.for_pixel("PIXELRETRIED", Code(code=50000, times=None))
    hers = [fresh_batch(f"hers{number}", ip=IP, **members) for number, members in enumerate(HERS)]
    others = [fresh_batch(f"e{n}", user_identities={"email": f"p{n}@example.com"}) for n in range(OTHERS)]
    assert (await service.post("/v2/bulkevents", [*hers, *others])).status == 202
    await service.services.store.dead_letter_all(ids["Dead"], "refused", time.time_ns() // 1_000_000)

    async def in_every_state() -> bool:
        queues = {each["name"]: each["queue"] for each in (await service.status())["connections"]}
        retried = [each for each in sandbox.requests() if each.event_source_id == "PIXELRETRIED"]
        return bool(
            queues["Leased"]["leased"] == len(HERS) + OTHERS
            and len(retried) > 0
            and queues["Retried"]["leased"] == 0
            and queues["Delivered"] is None
        )

    await wait_until(in_every_state)


async def api(service: Service, method: str, path: str, body: object = None) -> tuple[int, Any]:
    content = json.dumps(body).encode() if body is not None else b""
    status, answer = await asgi_call(service.application.api, method, path, content)
    return status, json.loads(answer)


@pytest.mark.slow
@pytest.mark.both_stores
async def test_a_person_is_gone_from_every_state_and_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Waiting, being sent, to be retried, dead or delivered: no file and no log tells of her, nothing is sent again."""
    async with (
        Sandbox() as sandbox,
        running_service(tmp_path, sandbox.url, retry_first_seconds=60, retry_max_seconds=60) as service,
    ):
        await fill(service, sandbox)
        assert found_in(tmp_path) != []
        person = {"email": EMAIL, "phone": PHONE, "external_id": CUSTOMER, "mpid": MPID}
        status, receipt = await api(service, "POST", "/api/erase", person)
        assert (status, receipt["events"], receipt["identities"]) == (200, 12, list(person))
        assert receipt["activity_records"] >= 15
        assert found_in(tmp_path) == []

        # The request under way ends, and what it held of others waits again.
        async def ended() -> bool:
            return bool((await service.status())["connections"][1]["queue"]["leased"] == 0)

        await wait_until(ended)
        queues = {each["name"]: each["queue"] for each in (await service.status())["connections"]}
        assert [queues[name]["waiting"] for name in ("Waiting", "Leased", "Retried")] == [OTHERS] * 3
        assert queues["Dead"]["dead_letters"] == OTHERS
        assert await service.services.store.replay(DeadLetterFilter(), time.time_ns() // 1_000_000) == OTHERS
        _, again = await api(service, "POST", "/api/erase", person)
        assert (again["events"], again["activity_records"]) == (0, 0)
        _, entries = await api(service, "GET", "/api/audit")
        assert [entry["what"] for entry in entries] == [again, receipt]
    assert found_in(tmp_path) == []
    logged = "".join(capfd.readouterr()).encode()
    assert [trace for trace in traces() if trace in logged] == []


@pytest.mark.sqlite_files("of the write-ahead log")
async def test_a_kill_before_the_log_is_cut_leaves_no_trace_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deletion is durable by then, and the start cuts what the log still holds."""
    left = tmp_path / "left"
    async with running_service(tmp_path / "data", log_level="error") as service:
        await service.add_connection(**SETTINGS)
        assert (await service.post(body=fresh_batch("e1", ip=IP, user_identities={"email": EMAIL}))).status == 202
        monkeypatch.setattr(sqlite_store, "cut_log", lambda _state: None)
        assert (await api(service, "POST", "/api/erase", {"email": EMAIL}))[1]["events"] == 1
        left.mkdir()
        for name in ("events.db", "events.db-wal", "encryption.key", "activity.db"):
            shutil.copyfile(tmp_path / "data" / name, left / name)
    assert "events.db-wal" in {name for name, _ in found_in(left)}
    async with running_service(left, log_level="error"):
        assert found_in(left) == []


@pytest.mark.parametrize(
    ("person", "gone"),
    [
        ({"email": EMAIL.upper()}, "hers0"),
        ({"email": sha256(EMAIL.lower().encode()).hexdigest().upper()}, "hers0"),
        ({"phone": "(415) 555-0107"}, "hers1"),
        ({"phone": "001 415 555 0107"}, "hers1"),
        ({"external_id": CUSTOMER}, "hers1"),
        ({"mpid": MPID}, "hers2"),
    ],
)
async def test_each_identity_finds_what_it_was_mapped_to(person: dict[str, str], gone: str, tmp_path: Path) -> None:
    """As the connection normalises and hashes it, or as the digest that comes of that; nothing else is touched."""
    async with running_service(tmp_path, log_level="error") as service:
        connection_id = await service.add_connection(**SETTINGS)
        hers = [fresh_batch(f"hers{number}", ip=IP, **members) for number, members in enumerate(HERS)]
        assert (await service.post("/v2/bulkevents", hers)).status == 202
        assert (await api(service, "POST", "/api/erase", person))[1]["events"] == 1
        await service.services.store.dead_letter_all(connection_id, "refused", 1)
        left = await service.services.store.dead_letters(DeadLetterFilter(), limit=10)
        assert {each.event_id for each in left} == {"hers0", "hers1", "hers2"} - {gone}


async def test_an_identity_that_no_event_can_have_erases_nothing(tmp_path: Path) -> None:
    """One sentence for each, which does not repeat what was given; no record is kept of what was not done."""
    async with running_service(tmp_path, log_level="error") as service:
        person = {"email": "no-address", "phone": "555", "external_id": "null", "mpid": MPID}
        status, answer = await api(service, "POST", "/api/erase", person)
        told = [each["message"] for each in answer["errors"]]
        assert (status, len(told)) == (422, 3)
        assert "no-address" not in str(told)
        assert (await api(service, "POST", "/api/erase", {"email": " "}))[0] == 422
        assert await api(service, "GET", "/api/audit") == (200, [])


def test_the_command_erases_and_asks_first(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs --yes where nobody can be asked, or takes the person from standard input, unseen by others."""
    place = ("--data-dir", tmp_path)
    assert run("inputs", "add", "--name", "shop", *place)[0] == 0
    assert run("erase", *place, "--email", EMAIL)[0] == 2
    status, out, _ = run("erase", *place, "--email", EMAIL, "--mpid", MPID, "--yes")
    assert (status, json.loads(out)["identities"]) == (0, ["email", "mpid"])
    for text, expected in ((json.dumps({"phone": PHONE}), 0), ("[]", 2), ("", 2), ('{"name": "Ada"}', 2)):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert run("erase", *place, "--stdin")[0] == expected
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert run("erase", *place, "--stdin", "--email", EMAIL)[0] == 2
