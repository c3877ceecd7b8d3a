"""`map` on what people give it: several files, broken lines, compressed input, wrong connection files."""

import gzip
import json
from pathlib import Path

import pytest

from tests.integration.service_rig import fresh_batch
from tests.unit.cli.running import Run


@pytest.fixture
def connection(tmp_path: Path) -> Path:
    file = tmp_path / "shop.toml"
    file.write_text('name = "Shop"\npixel_id = "PIX1"\n')
    return file


def test_batches_are_numbered_over_all_files(run: Run, connection: Path, tmp_path: Path) -> None:
    """Only where there are several; plain and gzip files alike."""
    one, many = tmp_path / "one.json", tmp_path / "many.ndjson.gz"
    one.write_text(json.dumps(fresh_batch("m1", "m2")))
    many.write_bytes(gzip.compress("\n".join(json.dumps(fresh_batch(f"n{n}")) for n in range(2)).encode()))
    status, out, _ = run("map", "--connection", connection, one)
    assert (status, ["batch_index" in json.loads(line) for line in out.splitlines()]) == (0, [False, False])
    status, out, _ = run("map", "--connection", connection, one, many)
    found = [json.loads(line) for line in out.splitlines()]
    assert [(each["batch_index"], each["event_index"], each["event_id"]) for each in found] == [
        (0, 0, "m1"),
        (0, 1, "m2"),
        (1, 0, "n0"),
        (2, 0, "n1"),
    ]


def test_explained_outcomes_have_the_results_of_rules(run: Run, tmp_path: Path) -> None:
    """A dropped event shows which rule held and what it found; without `--explain` there is no such member."""
    connection, batch = tmp_path / "shop.toml", tmp_path / "batch.json"
    connection.write_text(
        'name = "Shop"\npixel_id = "PIX1"\n[[forwarding_rules]]\nname = "no purchases"\n'
        'action = "do_not_forward"\nwhen = [ { event_name = true, is = ["purchase"] } ]\n'
    )
    batch.write_text(json.dumps(fresh_batch("m1")))
    status, out, _ = run("map", "--connection", connection, "--explain", batch)
    [rule] = json.loads(out)["rules"]
    assert (status, rule["name"], rule["held"], rule["conditions"][0]["found"]) == (
        0,
        "no purchases",
        True,
        ["purchase"],
    )
    assert "rules" not in json.loads(run("map", "--connection", connection, batch)[1])


def test_broken_lines_are_named_and_the_rest_goes_on(run: Run, connection: Path, tmp_path: Path) -> None:
    """Exit status 1, one line each; dropped events are no failure."""
    file = tmp_path / "day.ndjson"
    file.write_text("\n".join([json.dumps(fresh_batch("m1")), "{broken", '{"events": [5]}']))
    status, out, told = run("map", "--connection", connection, file, tmp_path / "missing.json")
    assert status == 1
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["mapped", "dropped"]
    first, second = told.splitlines()
    assert first.startswith(f"tiktok-forwarder: {file}, line 2: the body is not JSON")
    assert second == f"tiktok-forwarder: {tmp_path / 'missing.json'}: cannot read: No such file or directory"


def test_wrong_connection_file_is_told_whole(run: Run, tmp_path: Path) -> None:
    """Every problem on a line with the file's name, exit status 2, nothing mapped."""
    file = tmp_path / "shop.toml"
    file.write_text('pixel_id = ""\ncolour = "red"\n')
    status, out, told = run("map", "--connection", file, "-")
    assert (status, out) == (2, "")
    assert [line.partition(": ")[2].rpartition(f"{file}: ")[2].partition(":")[0] for line in told.splitlines()] == [
        "colour",
        "name",
        "pixel_id",
    ]


def test_explanation_stands_with_each_mapped_event(run: Run, connection: Path, tmp_path: Path) -> None:
    """Field, where from, what was done."""
    file = tmp_path / "one.json"
    file.write_text(json.dumps(fresh_batch("m1")))
    _, out, _ = run("map", "--connection", connection, "--explain", file)
    explained = {each["field"]: each for each in json.loads(out)["explanation"]}
    assert explained["event_id"] == {
        "field": "event_id",
        "from": ["events[0].data.source_message_id"],
        "transformation": "as text",
    }
