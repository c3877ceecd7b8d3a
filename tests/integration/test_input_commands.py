"""The commands of inputs of both kinds, against the real API in-process."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.running import Run

SHOP = "https://shop.example.com"


class Inputs:
    """`tiktok-forwarder inputs` on one data directory."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.folder = folder

    def __call__(self, *arguments: object, expect: int = 0) -> tuple[list[Any], str]:
        """What was printed, decoded line by line, and the messages. Fails for another exit status."""
        status, out, err = self._run("inputs", *arguments, "--data-dir", self.folder / "data")
        assert status == expect, err
        assert "Traceback" not in err
        return [json.loads(line) for line in out.splitlines()], err

    def export(self, *arguments: object) -> str:
        status, out, err = self._run("inputs", "export", *arguments, "--data-dir", self.folder / "data")
        assert status == 0, err
        return out

    def file(self, text: str) -> Path:
        path = self.folder / "inputs.toml"
        path.write_text(text)
        return path


@pytest.fixture
def inputs(run: Run, tmp_path: Path) -> Inputs:
    return Inputs(run, tmp_path)


def test_browser_input_is_added_changed_and_rotated(inputs: Inputs) -> None:
    """Its key is printed, and there is no secret to keep."""
    [added], _ = inputs(
        "add", "--name", "web", "--kind", "browser", "--origin", SHOP, "--origin", "http://localhost:80"
    )
    assert added.keys() == {"id", "name", "key"}
    [shown], _ = inputs("list")
    assert (shown["kind"], shown["origins"], shown["allows_purchases"]) == ("browser", [SHOP, "http://localhost"], True)
    assert shown["webhook_path"] is None
    [changed], _ = inputs("set", "web", "--no-purchases")
    assert (changed["origins"], changed["allows_purchases"]) == ([SHOP, "http://localhost"], False)
    [changed], _ = inputs("set", "WEB", "--origin", "https://m.example.com", "--purchases")
    assert (changed["origins"], changed["allows_purchases"]) == (["https://m.example.com"], True)
    [rotated], told = inputs("rotate", "web", "--key", "key-of-the-page")
    assert rotated["key"] == "key-of-the-page" and "old and new keys are both valid" in told
    [shown], _ = inputs("list")
    assert (shown["rotating"], shown["old_key"]) == (True, added["key"])
    [finished], _ = inputs("rotate", "web", "--finish")
    assert (finished["rotating"], finished["old_key"], finished["key"]) == (False, None, "key-of-the-page")
    [removed], _ = inputs("remove", "web")
    assert removed["name"] == "web" and inputs("list")[0] == []


def test_new_data_directory_is_named(run: Run, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once, by the command that creates it, so that a mistyped directory is noticed; the key only if it is new."""
    _, told = inputs("add", "--name", "shop")
    assert told == (f"tiktok-forwarder: created the data directory {tmp_path / 'data'}, with a new encryption key\n")
    assert inputs("add", "--name", "web")[1] == ""
    monkeypatch.setenv("TIKTOK_FORWARDER_ENCRYPTION_KEY", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")
    _, out, told = run("inputs", "add", "--name", "shop", "--data-dir", tmp_path / "other")
    assert json.loads(out)["name"] == "shop"
    assert told == f"tiktok-forwarder: created the data directory {tmp_path / 'other'}\n"


def test_secrets_of_an_input_are_read_from_the_environment(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Added or rotated, no secret need be typed; every variable that is not set is named, and nothing is added."""
    monkeypatch.setenv("SHOP_SECRET", "secret-of-the-shop-1")
    monkeypatch.setenv("SHOP_AUTHORIZATION", "authorization-of-the-shop-1")
    _, told = inputs("add", "--name", "shop", "--secret", "env:A", "--authorization", "env:B", expect=2)
    assert told.splitlines() == [
        "tiktok-forwarder: secret: the environment variable A is not set",
        "tiktok-forwarder: authorization: the environment variable B is not set",
    ]
    references = ("--secret", "env:SHOP_SECRET", "--authorization", "env:SHOP_AUTHORIZATION")
    [added], _ = inputs("add", "--name", "shop", *references)
    assert (added["secret"], added["authorization"]) == ("secret-of-the-shop-1", "authorization-of-the-shop-1")
    monkeypatch.setenv("SHOP_SECRET", "secret-of-the-shop-2")
    monkeypatch.setenv("SHOP_AUTHORIZATION", "authorization-of-the-shop-2")
    [rotated], _ = inputs("rotate", "shop", *references)
    assert (rotated["secret"], rotated["authorization"]) == ("secret-of-the-shop-2", "authorization-of-the-shop-2")


def test_server_input_may_be_added_without_purchases(inputs: Inputs) -> None:
    """The switch is every input's."""
    [added], _ = inputs("add", "--name", "server", "--no-purchases")
    assert added["secret"] and added["authorization"].startswith("Token ")
    assert inputs("list")[0][0]["allows_purchases"] is False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "--name", "web", "--kind", "browser"), "origins: a browser input needs at least one"),
        (("add", "--name", "web", "--kind", "browser", "--origin", f"{SHOP}/cart"), "must end after the host or port"),
        (("add", "--name", "web", "--origin", SHOP), "--origin is for browser inputs only; add --kind browser."),
        (
            ("add", "--name", "web", "--kind", "browser", "--origin", SHOP, "--secret", "secret-1234"),
            "secret: a browser input has none",
        ),
        (("set", "server", "--origin", SHOP), 'origins: input "server" is not a browser input'),
        (("set", "nothing", "--purchases"), 'input "nothing" not found'),
        (("set", "server"), "nothing to change"),
        (("rotate", "server", "--key", "another-key"), "key: a server's input keeps its key"),
        (("rotate", "browser", "--secret", "secret-1234"), "secret: a browser input has none"),
        (("export", "nothing"), 'input "nothing" not found'),
    ],
)
def test_what_does_not_fit_an_input_is_refused(inputs: Inputs, arguments: tuple[str, ...], told: str) -> None:
    """Each with one line that names the field, and nothing changes."""
    inputs("add", "--name", "server")
    inputs("add", "--name", "browser", "--kind", "browser", "--origin", SHOP)
    before = inputs("list")
    _, message = inputs(*arguments, expect=2)
    assert told in message
    assert inputs("list") == before


def test_exported_inputs_are_imported_elsewhere_without_secrets(inputs: Inputs, tmp_path: Path, run: Run) -> None:
    """The browser input is the same there, key included; the server's gets new secrets, printed once."""
    inputs("add", "--name", "web", "--kind", "browser", "--origin", SHOP, "--no-purchases")
    [server], _ = inputs("add", "--name", "server")
    text = inputs.export()
    assert server["secret"] not in text and server["authorization"] not in text
    elsewhere = Inputs(run, tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    printed, told = elsewhere("import", elsewhere.file(text), "--yes")
    assert "2 of 2 inputs would change: web, server" in told and "imported: web, server" in told
    assert [each["change"] for each in printed] == ["add"] * 4
    assert [each.get("secret") is not None for each in printed] == [False, False, False, True]
    assert elsewhere.export() == text
    assert elsewhere("list")[0][0]["allows_purchases"] is False
    _, told = elsewhere("import", elsewhere.file(text), "--yes")
    assert "0 of 2 inputs would change" in told
    assert inputs.export("SERVER").count("[[inputs]]") == 1


def test_import_changes_by_name_and_leaves_the_others(inputs: Inputs) -> None:
    """A dry run shows the difference first."""
    inputs("add", "--name", "web", "--kind", "browser", "--origin", SHOP)
    inputs("add", "--name", "server")
    file = inputs.file(
        f'[[inputs]]\nname = "web"\nkind = "browser"\norigins = ["{SHOP}", "https://m.example.com"]\n'
        "allows_purchases = false\n"
    )
    [difference], told = inputs("import", file, "--dry-run")
    assert difference["before"]["allows_purchases"] is True and difference["after"]["allows_purchases"] is False
    assert "1 of 1 inputs would change: web" in told
    assert inputs("list")[0][0]["allows_purchases"] is True
    _, refused = inputs("import", file, expect=2)
    assert "pass --yes to apply the changes" in refused
    inputs("import", file, "--yes")
    web, server = inputs("list")[0]
    assert (web["origins"], web["allows_purchases"]) == ([SHOP, "https://m.example.com"], False)
    assert (server["name"], server["allows_purchases"]) == ("server", True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name = "web"\n', "inputs must be a list of tables, [[inputs]], and the only key"),
        ("inputs = 5\n", "inputs must be a list of tables, [[inputs]], and the only key"),
        (
            "[[inputs]\n",
            "inputs.toml: is not valid TOML: Expected ']]' at the end of an array declaration (at line 1, ",
        ),
        ('[[inputs]]\nname = "web"\nsecret = "x"\n', "inputs[0]: Object contains unknown field `secret`"),
        ('[[inputs]]\nkind = "browser"\n', "inputs[0]: Object missing required field `name`"),
        ('[[inputs]]\nname = "web"\nkind = "app"\n', "inputs[0]: Invalid enum value 'app'"),
        ('[[inputs]]\nname = "web"\nkind = "browser"\n', "inputs[0] web: origins: a browser input needs at least one"),
    ],
)
def test_file_that_is_not_of_inputs_is_refused(inputs: Inputs, text: str, told: str) -> None:
    """With the place and what is wrong, and nothing is added."""
    inputs("add", "--name", "server")
    _, message = inputs("import", inputs.file(text), "--yes", expect=2)
    assert told in message
    assert [each["name"] for each in inputs("list")[0]] == ["server"]
