"""The command line for Kafka inputs: options, files with the password in a variable, and the state."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.running import Run

SERVER = "kafka.example.com:9093"
PASSWORD = "sesame-of-the-test"
VARIABLE = "EVENTS_KAFKA_PASSWORD"


class Inputs:
    """`tiktok-forwarder inputs` on one data directory."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.folder = folder
        self.output = ""

    def __call__(self, *arguments: object, expect: int = 0) -> tuple[str, str]:
        """What was printed, and the messages. Fails for another exit status, and if either has the password."""
        status, out, err = self._run("inputs", *arguments, "--data-dir", self.folder / "data")
        assert status == expect, err
        assert "Traceback" not in err and PASSWORD not in out + err
        return out, err

    def shown(self) -> dict[str, Any]:
        (found,) = map(json.loads, self("list")[0].splitlines())
        return dict(found)


@pytest.fixture
def inputs(run: Run, tmp_path: Path) -> Inputs:
    return Inputs(run, tmp_path)


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    return f"env:{VARIABLE}"


def test_kafka_input_is_added_changed_and_removed(inputs: Inputs, password: str) -> None:
    """An option of Kafka's makes it one; what is not given stays, the password too."""
    login = ("--sasl-mechanism", "scram-sha-256", "--user-name", "bob", "--password", password)
    added = json.loads(inputs("add", "--name", "events", "--kafka", SERVER, "--topic", "a", "--topic", "b", *login)[0])
    assert added == {"id": added["id"], "name": "events", "key": ""}
    kafka = inputs.shown()["kafka"]
    assert (kafka["servers"], kafka["topics"], kafka["group"]) == ([SERVER], ["a", "b"], "tiktok-forwarder-events")
    assert (kafka["sasl_mechanism"], kafka["user_name"], kafka["has_password"]) == ("SCRAM-SHA-256", "bob", True)
    changed = json.loads(inputs("set", "EVENTS", "--topic", "c", "--group", "mine", "--no-purchases")[0])
    assert changed["kafka"] == {**kafka, "topics": ["c"], "group": "mine"} and not changed["allows_purchases"]
    changed = json.loads(inputs("set", "events", "--sasl-mechanism", "none")[0])
    assert (changed["kafka"]["sasl_mechanism"], changed["kafka"]["has_password"]) == (None, False)
    inputs("remove", "events")
    assert inputs("list")[0] == ""


def test_exported_file_adds_the_same_input_elsewhere(inputs: Inputs, run: Run, password: str, tmp_path: Path) -> None:
    """It names a variable instead of the password, and is fit for version control."""
    login = ("--sasl-mechanism", "PLAIN", "--user-name", "bob", "--password", password)
    inputs("add", "--name", "events", "--kafka", SERVER, "--topic", "a", *login)
    file = tmp_path / "inputs.toml"
    file.write_text(inputs("export")[0])
    assert f'password = "{password}"' in file.read_text() and "key =" not in file.read_text()
    other = Inputs(run, tmp_path / "other")
    out, err = other("import", file, "--yes")
    assert json.loads(out.splitlines()[0])["changes_password"] and "imported: events" in err
    before, after = inputs.shown(), other.shown()
    assert {**before, "id": 0} == {**after, "id": 0}
    assert "0 of 1 inputs would change" in other("import", file, "--yes")[1]


def test_import_without_the_variable_keeps_the_password(
    inputs: Inputs, password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only whoever adds the input needs its password; a new one without it is refused."""
    login = ("--sasl-mechanism", "PLAIN", "--user-name", "bob", "--password", password)
    inputs("add", "--name", "events", "--kafka", SERVER, "--topic", "a", *login)
    file = tmp_path / "inputs.toml"
    file.write_text(inputs("export")[0].replace('"a"', '"changed"'))
    monkeypatch.delenv(VARIABLE)
    out, _ = inputs("import", file, "--yes")
    assert "changes_password" not in json.loads(out.splitlines()[0])
    assert inputs.shown()["kafka"]["topics"] == ["changed"] and inputs.shown()["kafka"]["has_password"]
    file.write_text(file.read_text().replace('"events"', '"others"'))
    assert f"password: the environment variable {VARIABLE} is not set" in inputs("import", file, "--yes", expect=2)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kafka", "kafka.example.com", "--topic", "a"), "servers: must be a host and a port"),
        (("--kafka", SERVER), "topics: at least one is needed"),
        (("--topic", "a"), "servers: at least one is needed"),
        (("--kind", "kafka"), "kafka: is missing; a Kafka input needs its servers and topics"),
        (("--kind", "server", "--kafka", SERVER), "kafka: only a Kafka input has some"),
        (("--kafka", SERVER, "--topic", "a", "--key", "key-of-events"), "key: a Kafka input has none"),
        (("--kafka", SERVER, "--topic", "a", "--origin", "https://shop.example.com"), "origins: only a browser input"),
        (("--kafka", SERVER, "--topic", "a", "--plaintext"), "security: kafka.example.com:9093 is not on this machine"),
        (("--kafka", SERVER, "--topic", "a", "--password", "env:NOT_SET"), "--password: the environment variable"),
    ],
)
def test_options_that_do_not_fit_are_refused(inputs: Inputs, arguments: tuple[str, ...], message: str) -> None:
    """In one line that names the field; nothing is added."""
    inputs("add", "--name", "before")
    assert message in inputs("add", "--name", "events", *arguments, expect=2)[1]
    assert inputs.shown()["name"] == "before"


def test_certificates_are_read_from_a_file(inputs: Inputs, tmp_path: Path) -> None:
    """A file that is no PEM text is named by the field; one that is not ASCII by its path."""
    given = ("add", "--name", "events", "--kafka", SERVER, "--topic", "a", "--ca-file")
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    assert "ca_certificate: must be one or more certificates in PEM form" in inputs(*given, file, expect=2)[1]
    file.write_bytes(b"\xff")
    assert f"--ca-file: {file}" in inputs(*given, file, expect=2)[1]


def test_set_names_the_options_when_nothing_is_given(inputs: Inputs) -> None:
    """A command without a change must not look like one that worked."""
    inputs("add", "--name", "events", "--kafka", SERVER, "--topic", "a")
    assert "pass --origin, --purchases, --no-purchases or an option of Kafka" in inputs("set", "events", expect=2)[1]


def test_status_shows_each_kafka_input(inputs: Inputs, run: Run) -> None:
    """Without a service, none is consumed."""
    inputs("add", "--name", "events", "--kafka", SERVER, "--topic", "a")
    status, out, err = run("status", "--data-dir", inputs.folder / "data")
    assert status == 0, err
    (found,) = json.loads(out)["kafka_inputs"]
    assert (found["name"], found["state"], found["consumers"], found["lag"]) == ("events", "connecting", 0, 0)
