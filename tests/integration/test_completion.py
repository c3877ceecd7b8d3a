"""Shell completion: names, reasons and values, in a real bash and by the protocols of zsh and fish."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service_process import PROGRAM, add_shop, command, environment, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

OWN_PROGRAMS = str(Path(sys.executable).parent)
NAME = "My $hop & Söhne"


def variables(data_dir: Path) -> dict[str, str]:
    return environment(data_dir, PATH=f"{OWN_PROGRAMS}{os.pathsep}{os.environ['PATH']}", TERM="dumb")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    add_shop(tmp_path / "data")
    renamed = command("connections", "set", "Shop", f"name={NAME}", "--data-dir", str(tmp_path / "data"))
    assert renamed.returncode == 0, renamed.stderr
    return tmp_path / "data"


class Bash:
    """An interactive bash in which keys are typed."""

    def __init__(self, data_dir: Path) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            env={**variables(data_dir), "PS1": "READY> "},
            cwd=data_dir.parent,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._until("READY> ")
        self._type('eval "$(tiktok-forwarder completion bash)"; echo LOADED\n')
        self._until("\nLOADED\r\nREADY> ")
        # From now on the program's arguments are shown; completion still calls the program itself, by `env`.
        self._type("tiktok-forwarder() { printf '%s\\n' ARGUMENTS \"$@\"; }; echo DEFINED\n")
        self._until("\nDEFINED\r\nREADY> ")

    def words(self, line: str) -> list[str]:
        """Type the program's arguments and the Tab key, then END and Enter; return the words that the program gets."""
        self._type(f"tiktok-forwarder {line}\t")
        self._type("END\n")
        return self._until("READY> ").rpartition("ARGUMENTS\r\n")[2].split("\r\n")[:-1]

    def _type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def _until(self, text: str) -> str:
        output = ""
        while not output.endswith(text):
            assert len(output) < 10_000, output
            output += os.read(self._master, 65536).decode(errors="replace")
        return output

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@pytest.fixture
def bash(data_dir: Path) -> Iterator[Bash]:
    shell = Bash(data_dir)
    yield shell
    shell.end()


def test_bash_completes_what_the_service_knows(bash: Bash, data_dir: Path) -> None:
    """Names are one word whatever is in them, by the running service and without one; keys are followed by a value."""
    assert bash.words("connec") == ["connections", "END"]
    assert bash.words("connections show --data-dir data My") == [
        "connections",
        "show",
        "--data-dir",
        "data",
        NAME,
        "END",
    ]
    assert bash.words("dead-letters list --reason unc")[-2:] == ["unconfirmed", "END"]
    assert bash.words("connections set --data-dir data X purchase_ev")[-1] == "purchase_event=END"
    assert bash.words("connections set --data-dir data X purchase_event=Comp")[-2:] == [
        "purchase_event=CompletePayment",
        "END",
    ]
    with serving(data_dir):
        assert bash.words("connections check --data-dir data My")[-2:] == [NAME, "END"]
        assert bash.words("import --data-dir data --input sh")[-2:] == ["shop", "END"]


def completions(shell: str, data_dir: Path, *words: str) -> tuple[list[str], str]:
    """Return what the program answers to a shell for the last word, and what it printed to standard error."""
    protocol = {
        "bash": {"COMP_CWORD": str(len(words))},
        "zsh": {"COMP_CWORD": str(len(words))},
        "fish": {"COMP_CWORD": words[-1]},
    }[shell]
    line = " ".join(["tiktok-forwarder", *words])
    asked = {**variables(data_dir), "_TIKTOK_FORWARDER_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, **protocol}
    done = subprocess.run(PROGRAM, env=asked, capture_output=True, text=True, check=True, cwd=data_dir.parent)
    return [line for line in done.stdout.splitlines() if line], done.stderr


@pytest.mark.parametrize(("shell", "expected"), [("zsh", ["plain", NAME, "_"]), ("fish", [f"plain,{NAME}"])])
def test_other_shells_get_names_unescaped(shell: str, expected: list[str], data_dir: Path) -> None:
    """They escape what they insert themselves."""
    assert completions(shell, data_dir, "connections", "show", "--data-dir", "data", "m") == (expected, "")


def test_reasons_have_their_meaning(tmp_path: Path) -> None:
    """Shells that show help show it."""
    (reason,), messages = completions("fish", tmp_path / "data", "dead-letters", "list", "--reason", "retr")
    assert reason.startswith("plain,retries_exhausted\tEvery attempt failed") and messages == ""


@pytest.mark.parametrize(
    ("directory", "text"),
    [("missing", None), ("empty", None), ("damaged", "this is no database")],
)
def test_completion_that_cannot_read_is_silent(directory: str, text: str | None, tmp_path: Path) -> None:
    """No message, no completion, and nothing is created."""
    if directory != "missing":
        (tmp_path / directory).mkdir()
    if text is not None:
        (tmp_path / directory / "events.db").write_text(text)
        (tmp_path / directory / "forwarder.lock").touch()
    before = sorted(tmp_path.rglob("*"))
    assert completions("bash", tmp_path / directory, "connections", "show", "--data-dir", directory, "S") == ([], "")
    assert sorted(tmp_path.rglob("*")) == before
