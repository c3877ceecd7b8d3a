"""Each audited action has exactly one entry: who, when, how much, and nobody's identity."""

import json
import time
from pathlib import Path
from typing import Any

from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.unit.cli.running import Run

EMAIL = "ada@example.com"


async def asked(service: Service, key: str, method: str, path: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    content = json.dumps(body).encode() if body is not None else None
    answer = await service.request(method, path, content, {**headers, "Content-Type": "application/json"})
    assert answer.status == 200, answer.body
    return answer.json


async def test_each_action_has_one_entry(tmp_path: Path) -> None:
    """Of replay, discard, erasure and change of key; a dry run or a refusal has none; newest first."""
    async with running_service(tmp_path, log_level="error") as service:
        started_ms = time.time_ns() // 1_000_000
        connection_id = await service.add_connection()
        await service.post(body=fresh_batch("e1", "e2", user_identities={"email": EMAIL}))
        await service.services.store.dead_letter_all(connection_id, "refused", started_ms)
        key = (await service.services.api_keys.make("ops", "admin", "test")).key
        await asked(service, key, "POST", "/api/dead-letters/replay", {"dry_run": True})
        await asked(service, key, "POST", "/api/dead-letters/replay", {"connection": "Shop", "event_nos": [1]})
        await asked(service, key, "POST", "/api/dead-letters/discard", {"reason": "refused"})
        await asked(service, key, "POST", "/api/erase", {"email": EMAIL})
        await asked(service, key, "POST", "/api/encryption-key/rotate")
        entries = await asked(service, key, "GET", "/api/audit")
        newest = await asked(service, key, "GET", "/api/audit?limit=1")
    assert [each["action"] for each in entries] == ["rotate_encryption_key", "erase", "discard", "replay"]
    assert {each["by"] for each in entries} == {"API key ops"}
    assert all(started_ms <= each["at_ms"] <= time.time_ns() // 1_000_000 for each in entries)
    assert [each["what"].get("count", each["what"].get("events")) for each in entries[1:]] == [1, 1, 1]
    assert newest == entries[:1]
    assert EMAIL not in json.dumps(entries)


def test_the_command_prints_the_latest(run: Run, tmp_path: Path) -> None:
    """What was done by the command line says so."""
    assert run("inputs", "add", "--name", "shop", "--data-dir", tmp_path)[0] == 0
    assert run("erase", "--mpid", "1", "--yes", "--data-dir", tmp_path)[0] == 0
    assert run("keys", "rotate", "--data-dir", tmp_path)[0] == 0
    status, out, _ = run("audit", "--limit", "1", "--data-dir", tmp_path)
    (entry,) = [json.loads(line) for line in out.splitlines()]
    assert (status, entry["action"], entry["by"]) == (0, "rotate_encryption_key", "command line")
