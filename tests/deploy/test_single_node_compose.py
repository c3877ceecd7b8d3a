"""The compose file for one service: valid for Compose, with settings that exist, and closed to other machines."""

import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.deploy.compose_file import SINGLE_NODE_FILE, Compose
from tests.deploy.test_compose import CONTAINER_FILE, schema_check, seconds
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.settings import Settings
from tiktok_forwarder.web.trusted_proxies import TrustedProxies, parse_networks

CONSOLE_URL = "https://forwarder.example.com"
IMAGE_VARIABLES = dict(re.findall(r"(TIKTOK_FORWARDER_\w+)=(\S+)", CONTAINER_FILE))


def service(**variables: str) -> dict[str, Any]:
    found: dict[str, Any] = Compose.load(variables, SINGLE_NODE_FILE).services["forwarder"]
    return found


def settings(**variables: str) -> Settings:
    """The settings of the image, with those of the file."""
    return load_settings(None, {**IMAGE_VARIABLES, **service(**variables)["environment"]})


@pytest.mark.slow
def test_single_node_file_follows_the_specification() -> None:
    """Compose refuses a file that does not."""
    checked = schema_check(SINGLE_NODE_FILE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_console_is_open_to_this_machine_until_a_proxy_is_declared() -> None:
    """As the image has it: plain HTTP as localhost, which the URL of a proxy ends."""
    assert settings().has_plain_console and settings().console_url == ""
    declared = settings(CONSOLE_URL=CONSOLE_URL)
    assert declared.console_url == CONSOLE_URL and not declared.has_plain_console


def test_port_is_published_on_this_machine_only() -> None:
    """The service speaks plain HTTP."""
    assert service()["ports"] == [f"127.0.0.1:{settings().port}:{settings().port}"]


def test_proxy_on_this_machine_may_name_visitors() -> None:
    """Its requests come from the gateway of the network; no container has that address."""
    (network,) = Compose.load({}, SINGLE_NODE_FILE).document["networks"]["forwarder"]["ipam"]["config"]
    proxies = TrustedProxies(parse_networks(settings().trusted_proxies))
    assert ip_address(network["gateway"]) in ip_network(network["subnet"])
    assert proxies.is_trusted(network["gateway"]) and proxies.is_trusted("127.0.0.1")
    assert not proxies.is_trusted(str(ip_address(network["gateway"]) + 1))


def test_state_is_in_a_volume_and_nothing_else_is_written() -> None:
    """The service can finish its stop, has no rights, and its key is in the volume with the database."""
    found = service()
    assert found["volumes"] == [f"data:{settings().data_dir}"]
    assert settings().encryption_key_file.parent == settings().data_dir
    assert found["read_only"] and found["cap_drop"] == ["ALL"]
    assert seconds(found["stop_grace_period"]) > settings().stop_seconds + 5
    assert found["restart"] == "unless-stopped" and "/readyz" in found["healthcheck"]["test"][-1]
