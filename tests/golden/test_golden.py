"""Every golden case, through the mapping and through the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomlkit
from click.testing import CliRunner

from tests.golden.cases import CASE_NAMES, CASES, Case, allows_purchases, comparable, connection_of, expected
from tiktok_forwarder.cli.mapping.map_command import map_command
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

# A file that holds only this is mParticle's check of a bucket.
IN_A_BODY = "batch_shapes: an empty object, in a body"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_mapping_gives_the_outcomes_of_the_case(case: Case) -> None:
    """The mapping gives exactly the outcomes written down."""
    (batch,) = parse_body(json.dumps(case["batch"]).encode(), Bounds())
    outcomes = Mapper(connection_of(case["connection"])).map_batch(
        batch, case["received_at_ms"], allows_purchases=allows_purchases(case)
    )
    assert [comparable(outcome) for outcome in outcomes] == expected(case)


@pytest.mark.parametrize("name", CASE_NAMES)
def test_map_command_gives_the_outcomes_of_the_case(name: str, tmp_path: Path) -> None:
    """`tiktok-forwarder map` prints the same outcomes, one JSON object a line."""
    arguments, batch = _arguments(CASES[name], tmp_path)
    run = CliRunner().invoke(map_command, arguments, input=batch)
    assert run.exit_code == 0
    assert _printed(run.stdout_bytes) == (expected(CASES[name]) if name != IN_A_BODY else [])


@pytest.mark.slow
def test_map_command_maps_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The installed command does the same as the function behind it."""
    case = CASES["purchase_api_2_0"]
    arguments, batch = _arguments(case, tmp_path)
    command = [sys.executable, "-m", "tiktok_forwarder", "map", *arguments]
    run = subprocess.run(command, input=batch, capture_output=True, check=True)
    assert _printed(run.stdout) == expected(case)


def _arguments(case: Case, folder: Path) -> tuple[list[str], bytes]:
    toml = folder / "connection.toml"
    toml.write_text(tomlkit.dumps({"name": "Shop", "pixel_id": "EXAMPLEPIXEL", **case["connection"]}))
    arguments = ["--connection", str(toml), "--received-at-ms", str(case["received_at_ms"])]
    if not allows_purchases(case):
        arguments.append("--no-purchases")
    return arguments, json.dumps(case["batch"]).encode()


def _printed(output: bytes) -> list[dict[str, Any]]:
    printed: list[dict[str, Any]] = [msgspec.json.decode(line) for line in output.splitlines()]
    for outcome in printed:
        outcome.pop("detail", None)
        if "warnings" in outcome:
            outcome["warnings"] = set(outcome["warnings"])
    return printed
