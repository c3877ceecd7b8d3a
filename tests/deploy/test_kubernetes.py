"""The Kubernetes manifests: valid for several versions, alike where roles do not differ, and true to the program."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.compose_file import DEPLOY
from tests.deploy.routes import EVENT_PATHS, OTHER_PATHS
from tiktok_forwarder import __version__
from tiktok_forwarder.cli.serve_command import serve
from tiktok_forwarder.database.permissions import restrict_directory
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.settings import ENVIRONMENT_PREFIX, KEY_VARIABLE
from tiktok_forwarder.store.postgres.address import passwords_in

FOLDER = DEPLOY / "kubernetes"
ROLES = ("ingest", "deliver", "console")
# The oldest whose members the manifests use, and the newest that the library knows.
VERSIONS = ("1.25", "1.30", "1.37")
DATA_MODE_OF_VOLUMES = 0o777


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def kustomization() -> dict[str, Any]:
    (found,) = documents(FOLDER / "kustomization.yaml")
    return found


def manifests() -> list[dict[str, Any]]:
    files = [file for file in sorted(FOLDER.glob("*.yaml")) if file.name != "kustomization.yaml"]
    return [manifest for file in files for manifest in documents(file)]


def label(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def manifest_of(kind: str, role: str) -> dict[str, Any]:
    (found,) = [each for each in documents(FOLDER / f"{role}.yaml") if each["kind"] == kind]
    return found


def pod_of(role: str) -> dict[str, Any]:
    pod: dict[str, Any] = manifest_of("Deployment", role)["spec"]["template"]["spec"]
    return pod


def container_of(role: str) -> dict[str, Any]:
    (container,) = pod_of(role)["containers"]
    return dict(container)


def settings_of_nodes() -> dict[str, str]:
    (found,) = documents(FOLDER / "settings.yaml")
    return dict(found["data"])


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", manifests(), ids=label)
def test_manifest_follows_the_schema(manifest: dict[str, Any], version: str) -> None:
    """Kubernetes' own types decide, and a member that they do not have is refused."""
    assert kubernetes_validate.validate(manifest, version, strict=True) == version


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "member", "value"),
    [
        (("spec", "strategy", "rollingUpdate"), "maxUnavailabel", 0),
        (("spec", "template", "spec"), "terminationGracePeriodSeconds", "30s"),
        (("spec", "template", "spec", "containers", 0, "readinessProbe"), "httpGetPath", "/readyz"),
    ],
)
def test_wrong_manifest_is_refused(path: tuple[str | int, ...], member: str, value: object) -> None:
    """The check would notice a misspelt member or a value of another type."""
    manifest = deepcopy(manifest_of("Deployment", "ingest"))
    place: Any = manifest
    for part in path:
        place = place[part]
    place[member] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_kustomization_has_every_manifest_but_the_examples() -> None:
    """Examples have values that fit no cluster."""
    files = {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == {name for name in files if ".example." not in name}
    (image,) = kustomization()["images"]
    assert (image["name"], image["newTag"]) == (container_of("ingest")["image"], __version__)


def test_manifests_are_of_no_namespace() -> None:
    """Which one they are applied to is the operator's choice."""
    assert [label(each) for each in manifests() if "namespace" in each["metadata"]] == []


def without_role(role: str) -> str:
    return yaml.safe_dump(manifest_of("Deployment", role)).replace(role, "ROLE")


def test_deployments_differ_in_their_role_only() -> None:
    """What holds for one role holds for all."""
    assert without_role("ingest") == without_role("deliver") == without_role("console")


@pytest.mark.parametrize("role", ROLES)
def test_selectors_find_the_pods_of_the_role(role: str) -> None:
    """A service, a budget or a deployment that selects others would be silent about it."""
    for manifest in documents(FOLDER / f"{role}.yaml"):
        selector = manifest["spec"]["selector"]
        labels = selector.get("matchLabels", selector)
        assert labels == {"app.kubernetes.io/name": "tiktok-forwarder", "app.kubernetes.io/component": role}
        assert manifest["metadata"]["labels"] == labels
    assert pod_of(role)["topologySpreadConstraints"][0]["labelSelector"] == {"matchLabels": labels}
    assert manifest_of("Deployment", role)["spec"]["template"]["metadata"]["labels"] == labels


@pytest.mark.parametrize("role", ROLES)
def test_container_starts_the_role_with_settings_that_exist(role: str) -> None:
    """An unknown setting would end it, and so would a variable that Kubernetes adds for a service."""
    program, command, *arguments = container_of(role)["args"]
    assert (program, command) == ("tiktok-forwarder", serve.name)
    options = {option for parameter in serve.params for option in parameter.opts}
    assert arguments == ["--role", role] and "--role" in options
    settings = load_settings(None, settings_of_nodes(), role=role)
    assert settings.role == role
    assert container_of(role)["ports"][0]["containerPort"] == settings.port
    assert [next(iter(each.values()))["name"] for each in container_of(role)["envFrom"]] == ["tiktok-forwarder"] * 2


def test_variables_of_services_are_not_added() -> None:
    """Kubernetes would add such a variable for each service, and the program refuses settings that it does not know."""
    name = manifest_of("Service", "ingest")["metadata"]["name"].upper().replace("-", "_")
    assert name.startswith(ENVIRONMENT_PREFIX)
    with pytest.raises(ConfigurationError):
        load_settings(None, {f"{name}_SERVICE_HOST": "192.0.2.1"})
    assert [pod_of(role)["enableServiceLinks"] for role in ROLES] == [False] * 3


@pytest.mark.parametrize("role", ROLES)
def test_update_starts_a_node_before_it_stops_one(role: str) -> None:
    """As the guide updates nodes: the others go on, and a stop can finish within its time."""
    spec = manifest_of("Deployment", role)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["replicas"] >= 2
    (before_stop,) = [
        int(each) for each in container_of(role)["lifecycle"]["preStop"]["exec"]["command"] if each != "sleep"
    ]
    needed = before_stop + load_settings(None, {}).stop_seconds
    assert pod_of(role)["terminationGracePeriodSeconds"] > needed + 5
    # Before the node refuses requests, its probe must have had time to be noticed.
    assert before_stop > container_of(role)["readinessProbe"]["periodSeconds"]


@pytest.mark.parametrize("role", ROLES)
def test_probes_ask_for_life_and_readiness(role: str) -> None:
    """A node whose database is gone gets no requests, and is not restarted for it."""
    container = container_of(role)
    asked = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("role", ROLES)
def test_container_has_no_rights_that_it_does_not_need(role: str) -> None:
    """It is the user of the image, writes to its volumes only, and may not ask Kubernetes anything."""
    pod, container = pod_of(role), container_of(role)
    (user,) = re.findall(r"--uid (\d+)", (DEPLOY / "Containerfile").read_text())
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == int(user)
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = [each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")]
    assert writable == ["/data", "/tmp"]  # noqa: S108 - a path in the container


def test_data_directory_is_below_its_volume(tmp_path: Path) -> None:
    """Others may write to an empty volume itself, so the service refuses it as its directory and creates its own."""
    tmp_path.chmod(DATA_MODE_OF_VOLUMES)
    with pytest.raises(ConfigurationError):
        list(restrict_directory(tmp_path))
    directory = Path(settings_of_nodes()["TIKTOK_FORWARDER_DATA_DIR"])
    assert str(directory.parent) == "/data"


def test_settings_have_no_secret_and_the_example_has_no_real_one() -> None:
    """A password in a ConfigMap is readable for everyone who may read the settings."""
    assert passwords_in(settings_of_nodes()["TIKTOK_FORWARDER_STORE"]) == []
    secret, authority = documents(FOLDER / "secret.example.yaml")
    assert set(secret["stringData"]) == {"PGPASSWORD", KEY_VARIABLE}
    assert all(" " in text for text in (*secret["stringData"].values(), *authority["stringData"].values()))
    assert set(authority["stringData"]) == {"ca.crt"}
    assert settings_of_nodes()["TIKTOK_FORWARDER_STORE"].endswith("/etc/tiktok-forwarder/ca.crt")


def backend_of(path: str) -> str:
    """The service that the ingress sends a path to: that of the longest entry that begins it."""
    (manifest,) = documents(FOLDER / "ingress.example.yaml")
    (rule,) = manifest["spec"]["rules"]
    matching = [each for each in rule["http"]["paths"] if _matches(each, path)]
    longest = max(matching, key=lambda each: len(each["path"]))
    return str(longest["backend"]["service"]["name"])


def _matches(entry: dict[str, Any], path: str) -> bool:
    prefix = entry["path"]
    if entry["pathType"] == "ImplementationSpecific":
        return path.startswith(prefix)
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


@pytest.mark.parametrize("path", [*EVENT_PATHS, "/tiktok-forwarder.js", "/tiktok-forwarder.0123456789abcdef.js"])
def test_ingress_sends_events_to_nodes_that_receive(path: str) -> None:
    """Every other node refuses them."""
    assert backend_of(path) == manifest_of("Service", "ingest")["metadata"]["name"]


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_ingress_sends_other_paths_to_nodes_with_a_console(path: str) -> None:
    """Every other node refuses them."""
    assert backend_of(path) == manifest_of("Service", "console")["metadata"]["name"]
