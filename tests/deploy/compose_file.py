"""The compose files as Compose reads them: variables replaced, services in the order in which they start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
COMPOSE_FILE: Final = DEPLOY / "compose" / "compose.yaml"
SINGLE_NODE_FILE: Final = DEPLOY / "compose" / "single-node.yaml"
EXAMPLE_VARIABLES: Final = DEPLOY / "compose" / "example.env"
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Compose:
    """A compose file with the variables of an `.env` file."""

    document: dict[str, Any]

    @classmethod
    def load(cls, variables: Mapping[str, str], file: Path = COMPOSE_FILE) -> "Compose":
        """Raises `KeyError` with the message of the file for a variable that must be set."""
        return cls(_replaced(yaml.safe_load(file.read_text()), variables))

    @property
    def services(self) -> dict[str, Any]:
        """The services by name, without those that only a profile has."""
        return {name: each for name, each in self.document["services"].items() if "profiles" not in each}

    @property
    def nodes(self) -> dict[str, Any]:
        """The services that run this program."""
        return {name: each for name, each in self.services.items() if "TIKTOK_FORWARDER_ROLE" in each["environment"]}

    def in_order(self) -> list[str]:
        """The services, each after those that it depends on."""
        services = self.services
        needs = {name: services.keys() & service.get("depends_on", {}) for name, service in services.items()}
        return list(TopologicalSorter(needs).static_order())

    def secret_file(self, name: str) -> str:
        return str(self.document["secrets"][name]["file"])


def example_variables() -> dict[str, str]:
    """What the example sets."""
    lines = EXAMPLE_VARIABLES.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def suggested_variables() -> set[str]:
    """The names of all variables in the example, also of those in comments."""
    return set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE_VARIABLES.read_text(), re.MULTILINE))


def used_variables() -> set[str]:
    """The names of all variables that the compose file reads."""
    return {found[1] for found in _VARIABLE.finditer(COMPOSE_FILE.read_text())}


def _replaced(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, variables) for each in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda found: _value_of(found, variables), value)


def _value_of(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, kind, text = found.groups()
    if value := variables.get(name):
        return value
    if kind == "?":
        raise KeyError(f"{name}: {text}")
    return text or ""
