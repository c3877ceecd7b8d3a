"""A data directory of each released version, opened by the program of today."""

import json
import re
from pathlib import Path

import pytest

from tests.integration.service_process import SandboxThread
from tests.released_data.directory import (
    PASSWORD,
    USER,
    archives,
    batch_at,
    run,
    send_form,
    serving_at,
    totals_of,
    unpack,
    wait_for_totals,
)
from tiktok_forwarder import __version__

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.sqlite_files("the kept directories have SQLite files"),
]

ROOT = Path(__file__).parents[2]
HOUR_MS = 3_600_000
MAX_ARCHIVE_BYTES = 300_000


@pytest.mark.parametrize("archive", archives(), ids=lambda archive: archive.name)
def test_data_of_a_released_version_opens(archive: Path, tmp_path: Path) -> None:
    """An hour later, nothing is missing: events are delivered, keys stay repeats, documents and users are there."""
    data_dir, kept = unpack(archive, tmp_path)
    log = tmp_path / "tiktok.jsonl"
    with SandboxThread(log) as sandbox, serving_at(kept.made_at_ms + HOUR_MS, data_dir, sandbox.url) as service:
        assert totals_of(data_dir) == kept.totals
        assert [each["name"] for each in run(data_dir, "connections", "list")] == kept.connections
        assert [each["name"] for each in run(data_dir, "inputs", "list")] == kept.inputs
        assert [each["name"] for each in run(data_dir, "notices", "list")] == kept.recipients
        assert [each["name"] for each in run(data_dir, "users", "list")] == kept.users
        assert send_form(service, "/login", name=USER, password=PASSWORD).status == 303
        assert [each["event_id"] for each in run(data_dir, "dead-letters", "list")] == kept.dead_lettered
        assert run(data_dir, "audit") != []

        assert service.post(batch_at(kept.made_at_ms, *kept.delivered)) == 202
        wait_for_totals(data_dir, {name: {"duplicate": len(kept.delivered)} for name in kept.connections})

        run(data_dir, "connections", "resume", "Paused")
        run(data_dir, "dead-letters", "replay", "--reason", "refused", "--yes")
        delivered = {"Live": len(kept.delivered) + len(kept.dead_lettered), "Paused": len(kept.waiting)}
        wait_for_totals(data_dir, {name: {"delivered": count} for name, count in delivered.items()})
        assert service.end() == 0
    sent = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(each["event_id"] for each in sent) == sorted([*kept.waiting, *kept.dead_lettered])
    assert {each["code"] for each in sent} == {0}


def test_every_released_version_is_kept() -> None:
    """Those of the changelog, and the one that is worked on."""
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    kept = [path.name.removeprefix("data-").removesuffix(".tar.xz") for path in archives()]
    assert set(kept) == {*released, __version__}
    assert all(path.stat().st_size < MAX_ARCHIVE_BYTES for path in archives())
