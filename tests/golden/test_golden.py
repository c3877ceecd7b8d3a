"""Every golden case, through the mapping and through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import tomlkit

from tests.golden.cases import FILES, comparable, connection_of, expected, load
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_mapping_gives_the_outcomes_of_the_case(file: Path) -> None:
    """The mapping gives exactly the outcomes written down."""
    case = load(file)
    (batch,) = parse_body(json.dumps(case["batch"]).encode(), Bounds())
    outcomes = Mapper(connection_of(case["connection"])).map_batch(batch, case["received_at_ms"])
    assert [comparable(outcome) for outcome in outcomes] == expected(case)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_map_command_gives_the_outcomes_of_the_case(file: Path, tmp_path: Path) -> None:
    """`tiktok-forwarder map` prints the same outcomes, one JSON object a line."""
    case = load(file)
    toml = tmp_path / "connection.toml"
    toml.write_text(tomlkit.dumps({"name": "Shop", "pixel_id": "EXAMPLEPIXEL", **case["connection"]}))
    command = [sys.executable, "-m", "tiktok_forwarder", "map", "--connection", str(toml)]
    run = subprocess.run(
        [*command, "--received-at-ms", str(case["received_at_ms"])],
        input=json.dumps(case["batch"]).encode(),
        capture_output=True,
        check=True,
    )
    printed = [msgspec.json.decode(line) for line in run.stdout.splitlines()]
    for outcome in printed:
        outcome.pop("detail", None)
        if "warnings" in outcome:
            outcome["warnings"] = set(outcome["warnings"])
    assert printed == expected(case)
