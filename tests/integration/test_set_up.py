"""`scripts/set-up` in a scratch checkout, with a stand-in Python whose virtual environments cost nothing.

That it really installs what it names is proven by every run of the tests on a clean checkout.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "scripts" / "set-up"
TOOLS = ("sh", "cat", "chmod", "cmp", "cp", "dirname", "env", "grep", "mkdir", "touch")
# Each with its package.
DEBIAN_TOOLS = {
    "chromium": "chromium",
    "curl": "curl",
    "debootstrap": "debootstrap",
    "etcd": "etcd-server",
    "faketime": "faketime",
    "git": "git",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "nginx": "nginx-light",
    "pg_ctlcluster": "postgresql",
    "podman": "podman",
    "strace": "strace",
    "systemd-analyze": "systemd",
}

# Makes a "virtual environment" whose pip only writes down what it was asked, and lacks ensurepip until it is installed.
PYTHON = f"""#!/bin/sh
case "$*" in
*"import ensurepip"*) [ -e "$ROOM/ensurepip" ] ;;
"-m venv"*)
    mkdir -p .venv/bin
    echo "VIRTUAL_ENV=$PWD/.venv" >.venv/bin/activate
    echo venv >>"$ROOM/calls"
    cat "$ROOM/bin/python3" >.venv/bin/python
    chmod +x .venv/bin/python ;;
"-m pip"*)
    echo "$*" >>"$ROOM/calls"
    [ ! -e "$ROOM/offline" ] ;;
*) exec {sys.executable} "$@" ;;
esac
"""
OLD_PYTHON = '#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; esac\n'
APT_GET = '#!/bin/sh\necho "apt-get $*" >>"$ROOM/calls"\ncase "$*" in install*) touch "$ROOM/ensurepip" ;; esac\n'
NPM = """#!/bin/sh
echo "npm $*" >>"$ROOM/calls"
[ ! -e "$ROOM/offline" ] || exit 1
mkdir -p tests/browser/node_modules
"""
SUDO = '#!/bin/sh\necho sudo >>"$ROOM/calls"\n[ "$1" != -n ] || shift\nexec "$@"\n'


@dataclass
class Scratch:
    """A checkout, and a `PATH` with nothing on it but what the test puts there."""

    room: Path
    checkout: Path = field(init=False)

    def __post_init__(self) -> None:
        self.checkout = self.room / "checkout"
        (self.checkout / "scripts").mkdir(parents=True)
        shutil.copy(SCRIPT, self.checkout / "scripts")
        (self.checkout / "requirements").mkdir()
        for name in ("demo", "dev"):
            (self.checkout / "requirements" / f"{name}.txt").write_text("example==1\n")
        (self.checkout / "pyproject.toml").touch()
        (self.checkout / "tests" / "browser").mkdir(parents=True)
        self.npm_lock.write_text("{}")
        (self.room / "bin").mkdir()
        for tool in TOOLS:
            (self.room / "bin" / tool).symlink_to(str(shutil.which(tool)))
        (self.room / "calls").touch()
        self.command("python3", PYTHON)
        self.command("npm", NPM)
        self.command("id", "#!/bin/sh\necho 1000\n")
        for tool in DEBIAN_TOOLS:
            self.command(tool, "#!/bin/sh\n")

    @property
    def npm_lock(self) -> Path:
        return self.checkout / "tests" / "browser" / "package-lock.json"

    def command(self, name: str, text: str) -> None:
        path = self.room / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def has_ensurepip(self) -> None:
        (self.room / "ensurepip").touch()

    def set_up(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.checkout / "scripts" / "set-up", name],
            env={"PATH": str(self.room / "bin"), "SYSTEM_PROGRAMS": "", "ROOM": str(self.room), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What was called since the last time this was asked."""
        log = self.room / "calls"
        lines = log.read_text().splitlines()
        log.write_text("")
        return lines


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def venv_package() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def test_a_missing_ensurepip_is_installed_from_debian_and_named(scratch: Scratch) -> None:
    """Where `python3 -m venv` cannot work, its Debian package is installed through sudo, and said to be."""
    scratch.command("apt-get", APT_GET)
    scratch.command("sudo", SUDO)
    run = scratch.set_up("demo")
    assert run.returncode == 0, run.stderr
    assert f"installing the Debian package {venv_package()}" in run.stderr
    calls = scratch.calls()
    assert calls[:3] == ["sudo", "apt-get update -qq", "sudo"]
    assert calls[3].startswith("apt-get install") and calls[3].endswith(venv_package())
    assert calls[4] == "venv"
    assert "--require-hashes -r requirements/demo.txt" in calls[5]
    assert calls[6].endswith("--editable .")


@pytest.mark.parametrize("tool", DEBIAN_TOOLS)
def test_the_tests_get_their_tools_from_debian(tool: str, scratch: Scratch) -> None:
    """What the tests need beside Python is installed when it is missing; the demo does without."""
    scratch.has_ensurepip()
    (scratch.room / "bin" / tool).unlink()
    scratch.command("apt-get", APT_GET)
    scratch.command("sudo", SUDO)
    assert scratch.set_up("demo").returncode == 0
    assert not any("apt-get" in call for call in scratch.calls())
    run = scratch.set_up("dev")
    assert run.returncode == 0, run.stderr
    package = DEBIAN_TOOLS[tool]
    assert f"installing the Debian package {package}" in run.stderr
    assert any(call.startswith("apt-get install") and call.endswith(package) for call in scratch.calls())


def test_the_browser_tests_get_their_npm_packages(scratch: Scratch) -> None:
    """They are installed as locked, with no script of theirs run, and anew when the lock changes; not for the demo."""
    scratch.has_ensurepip()
    assert scratch.set_up("demo").returncode == 0
    assert not any(call.startswith("npm") for call in scratch.calls())
    assert scratch.set_up("dev").returncode == 0
    [call] = [each for each in scratch.calls() if each.startswith("npm")]
    assert call.startswith("npm ci --prefix tests/browser --ignore-scripts ")
    scratch.npm_lock.write_text('{"lockfileVersion": 3}')
    assert scratch.set_up("dev").returncode == 0
    assert scratch.calls() == [call]


def test_npm_comes_from_debian_where_there_is_none(scratch: Scratch) -> None:
    """A machine without npm gets it once; one that has the npm packages needs no npm any more."""
    scratch.has_ensurepip()
    (scratch.room / "bin" / "npm").unlink()
    (scratch.room / "npm").write_text(NPM)
    scratch.command("apt-get", APT_GET + 'cat "$ROOM/npm" >"$ROOM/bin/npm" && chmod +x "$ROOM/bin/npm"\n')
    scratch.command("sudo", SUDO)
    run = scratch.set_up("dev")
    assert run.returncode == 0, run.stderr
    assert "installing the Debian package npm (the tests install packages with it)" in run.stderr
    assert any(call.startswith("npm ci") for call in scratch.calls())
    (scratch.room / "bin" / "npm").unlink()
    assert scratch.set_up("dev").returncode == 0
    assert scratch.calls() == []


def test_without_apt_one_line_says_what_is_missing(scratch: Scratch) -> None:
    """On other systems the missing piece is named, and nothing is made."""
    run = scratch.set_up("demo")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert f"{venv_package()} is missing" in run.stderr
    assert "no apt-get here" in run.stderr
    assert not (scratch.checkout / ".venv").exists()


def test_without_root_or_sudo_one_line_says_what_to_run(scratch: Scratch) -> None:
    """An ordinary user without sudo is told the command that root must run."""
    scratch.command("apt-get", APT_GET)
    run = scratch.set_up("demo")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert f"run apt-get install {venv_package()} as root" in run.stderr
    assert scratch.calls() == []


def test_an_old_python_is_refused(scratch: Scratch) -> None:
    """Python before 3.11 is named as the obstacle, with the way to choose another."""
    scratch.command("python3", OLD_PYTHON)
    run = scratch.set_up("demo")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "older than Python 3.11" in run.stderr and "make PYTHON=" in run.stderr


def test_without_a_network_the_lock_file_is_named_and_the_next_run_tries_again(scratch: Scratch) -> None:
    """A failed installation leaves no stamp behind."""
    scratch.has_ensurepip()
    (scratch.room / "offline").touch()
    run = scratch.set_up("demo")
    assert run.returncode == 1
    assert "pip could not install requirements/demo.txt" in run.stderr
    (scratch.room / "offline").unlink()
    assert scratch.set_up("demo").returncode == 0


def test_without_npms_registry_the_lock_file_is_named_and_the_next_run_tries_again(scratch: Scratch) -> None:
    """A failed npm leaves no mark behind, not even where an older installation is."""
    scratch.has_ensurepip()
    assert scratch.set_up("dev").returncode == 0
    scratch.npm_lock.write_text('{"lockfileVersion": 3}')
    (scratch.room / "offline").touch()
    run = scratch.set_up("dev")
    assert run.returncode == 1
    assert "npm could not install tests/browser/package-lock.json" in run.stderr
    (scratch.room / "offline").unlink()
    scratch.calls()
    assert scratch.set_up("dev").returncode == 0
    assert any(call.startswith("npm ci") for call in scratch.calls())


def test_a_second_run_does_nothing(scratch: Scratch) -> None:
    """Once set up, a run calls and says nothing, for the demo also after a set-up for the tests."""
    scratch.has_ensurepip()
    assert scratch.set_up("dev").returncode == 0
    assert scratch.calls() != []
    for name in ("dev", "demo"):
        run = scratch.set_up(name)
        assert (run.returncode, run.stderr) == (0, "")
    assert scratch.calls() == []


def test_a_changed_lock_file_is_installed(scratch: Scratch) -> None:
    """New versions reach an environment that was set up with the old ones, which is kept."""
    scratch.has_ensurepip()
    scratch.set_up("demo")
    scratch.calls()
    (scratch.checkout / "requirements" / "demo.txt").write_text("example==2\n")
    assert scratch.set_up("demo").returncode == 0
    calls = scratch.calls()
    assert "venv" not in calls and len(calls) == 2


def test_a_moved_checkout_gets_a_new_environment(scratch: Scratch) -> None:
    """Virtual environments do not survive a move, so one is made anew."""
    scratch.has_ensurepip()
    scratch.set_up("demo")
    scratch.calls()
    moved = scratch.room / "elsewhere"
    scratch.checkout.rename(moved)
    scratch.checkout = moved
    assert scratch.set_up("demo").returncode == 0
    assert scratch.calls()[0] == "venv"


def test_chosen_python_replaces_the_environment_of_another(scratch: Scratch) -> None:
    """`make check PYTHON=python3.13` would otherwise run with the Python before, without a word."""
    scratch.has_ensurepip()
    assert scratch.set_up("demo").returncode == 0
    scratch.calls()
    assert scratch.set_up("demo", PYTHON="python3").returncode == 0
    assert scratch.calls() == []
    scratch.command("python3.99", PYTHON.replace("case", 'case "$*" in *platform*) echo 3.99.0; exit ;; esac\ncase', 1))
    run = scratch.set_up("demo", PYTHON="python3.99")
    assert run.returncode == 0, run.stderr
    assert scratch.calls()[0] == "venv"


def test_no_python_to_test_with_is_an_error(tmp_path: Path) -> None:
    """A run that tested nothing does not count as passed."""
    script = SCRIPT.with_name("test-pythons")
    environment = {**os.environ, "PYTHONS": str(tmp_path / "python3.12")}
    run = subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (1, f"{tmp_path}/python3.12: not installed here")
