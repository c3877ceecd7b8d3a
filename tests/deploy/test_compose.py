"""The compose file: valid for Compose, with settings that exist, and as safe as the guide says."""

import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose_file import COMPOSE_FILE, Compose, example_variables, suggested_variables, used_variables
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.settings import NEXT_KEY_VARIABLE

COMPOSE = Compose.load(example_variables())
CONTAINER_FILE = (COMPOSE_FILE.parents[1] / "Containerfile").read_text()


def schema_check(file: Path) -> "subprocess.CompletedProcess[str]":
    """Check a file against the Compose Specification's schema."""
    program = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    return subprocess.run([*program, str(file)], capture_output=True, text=True, timeout=60, check=False)


def seconds(text: str) -> float:
    assert text.endswith("s"), text
    return float(text.removesuffix("s"))


@pytest.mark.slow
def test_compose_file_follows_the_specification() -> None:
    """Compose refuses a file that does not."""
    checked = schema_check(COMPOSE_FILE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only: true", "readonly: true"),
        ("condition: service_healthy", "condition: healthy"),
        ("image: c", "img: c"),
    ],
)
def test_wrong_compose_file_is_refused(tmp_path: Path, right: str, wrong: str) -> None:
    """The check would notice a misspelt member or value."""
    text = COMPOSE_FILE.read_text()
    assert right in text
    file = tmp_path / "compose.yaml"
    file.write_text(text.replace(right, wrong))
    assert schema_check(file).returncode != 0


def test_services_start_after_what_they_need() -> None:
    """Two nodes receive, two deliver, one has the console, and Caddy comes when those that it asks are ready."""
    roles = [node["environment"]["TIKTOK_FORWARDER_ROLE"] for node in COMPOSE.nodes.values()]
    assert sorted(roles) == ["console", "deliver", "deliver", "ingest", "ingest"]
    order = COMPOSE.in_order()
    assert sorted(order) == sorted([*COMPOSE.nodes, "caddy"])
    asked = ("ingest-1", "ingest-2", "console")
    assert all(order.index(name) < order.index("caddy") for name in asked)
    assert set(COMPOSE.services["caddy"]["depends_on"]) == set(asked)


def test_caddy_asks_the_nodes_of_each_role() -> None:
    """An address that is missing gets no request, and one too many costs each request a wait."""
    environment = COMPOSE.services["caddy"]["environment"]
    for variable, role in (("INGEST_NODES", "ingest"), ("CONSOLE_NODES", "console")):
        named = [name for name, node in COMPOSE.nodes.items() if node["environment"]["TIKTOK_FORWARDER_ROLE"] == role]
        assert environment[variable].split() == [f"{name}:8090" for name in named]


@pytest.mark.parametrize("name", COMPOSE.nodes)
def test_environment_of_a_node_is_accepted(name: str) -> None:
    """An unknown setting or a value that is not allowed would end it."""
    environment = {key: str(value) for key, value in COMPOSE.nodes[name]["environment"].items()}
    assert environment.pop(NEXT_KEY_VARIABLE) == ""
    settings = load_settings(None, environment)
    assert settings.role == environment["TIKTOK_FORWARDER_ROLE"]
    assert settings.console_url == f"https://{example_variables()['DOMAIN']}"
    files = re.findall(r"/run/secrets/(\w+)", settings.store + str(settings.encryption_key_file))
    assert sorted(files) == sorted(COMPOSE.nodes[name]["secrets"])


@pytest.mark.parametrize("name", COMPOSE.nodes)
def test_node_can_finish_its_stop_and_writes_nowhere_else(name: str) -> None:
    """The grace period is longer than `stop_seconds`, and the data directory is the user's alone."""
    node = COMPOSE.nodes[name]
    assert seconds(node["stop_grace_period"]) > load_settings(None, {}).stop_seconds + 5
    assert node["read_only"] and node["cap_drop"] == ["ALL"]
    (user,) = re.findall(r"--uid (\d+)", CONTAINER_FILE)
    (data_dir,) = re.findall(r"TIKTOK_FORWARDER_DATA_DIR=(\S+)", CONTAINER_FILE)
    (mount,) = [each for each in node["tmpfs"] if each.startswith(f"{data_dir}:")]
    assert {f"uid={user}", "mode=0700"} <= set(mount.partition(":")[2].split(","))


def test_nodes_trust_caddys_address_and_no_other() -> None:
    """A visitor could write any address otherwise. Docker gives Caddy's address to no other container."""
    address = COMPOSE.services["caddy"]["networks"]["nodes"]["ipv4_address"]
    (network,) = COMPOSE.document["networks"]["nodes"]["ipam"]["config"]
    settings = load_settings(None, {"TIKTOK_FORWARDER_TRUSTED_PROXIES": trusted(COMPOSE)})
    assert settings.trusted_proxies == f"{address}/32"
    assert ip_address(address) in ip_network(network["subnet"])
    assert ip_address(address) not in ip_network(network["ip_range"])


def trusted(compose: Compose) -> str:
    (networks,) = {str(node["environment"]["TIKTOK_FORWARDER_TRUSTED_PROXIES"]) for node in compose.nodes.values()}
    return networks


def test_only_caddy_can_be_reached_from_outside() -> None:
    """Neither the nodes nor the database publish a port."""
    services: dict[str, Any] = COMPOSE.document["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]


def test_every_service_has_a_health_check_and_starts_again() -> None:
    """The state is shown by `docker compose ps`, and `up --wait` waits for it."""
    services: dict[str, Any] = COMPOSE.document["services"]
    assert {name for name, each in services.items() if "healthcheck" in each} == set(services)
    assert {each["restart"] for each in services.values()} == {"unless-stopped"}


def test_database_in_a_container_is_for_trying_out_only() -> None:
    """It starts only if its profile is asked for, and the nodes do without it otherwise."""
    services: dict[str, Any] = COMPOSE.document["services"]
    assert services["postgres"]["profiles"] == ["trial"]
    assert [node["depends_on"]["postgres"]["required"] for node in COMPOSE.nodes.values()] == [False] * 5


@pytest.mark.parametrize("variable", ["STORE", "DOMAIN"])
def test_missing_variable_is_named(variable: str) -> None:
    """Compose prints the message of the file and starts nothing."""
    with pytest.raises(KeyError, match=f"{variable}: set the .* in .env"):
        Compose.load({name: value for name, value in example_variables().items() if name != variable})


def test_example_has_every_variable() -> None:
    """What can be set is found where it is set."""
    assert suggested_variables() - {"COMPOSE_PROFILES"} == used_variables() - {"SECRETS"}


def test_no_secret_is_in_the_repository() -> None:
    """The file names where secrets are, and git ignores that."""
    ignored = (COMPOSE_FILE.parents[2] / ".gitignore").read_text().splitlines()
    assert {"deploy/compose/.env", "deploy/compose/secrets/"} <= set(ignored)
    document = yaml.safe_load(COMPOSE_FILE.read_text())
    assert all(each["file"].startswith("${SECRETS:-./secrets}/") for each in document["secrets"].values())
