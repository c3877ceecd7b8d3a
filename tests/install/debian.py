"""An empty Debian machine, as far as a directory can be one: its own programs, users and files, with this kernel.

systemd would have to be its first process. Debian's package `systemctl` starts the units instead: it reads the user,
environment and command of a unit, ignores its restrictions, and knows no timers.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.install.checkout import ROOT

# Made once, which takes a minute or two; each test gets a copy.
_BASE: Final = ROOT / "build" / "debian-bookworm"
_MIRROR: Final = "http://deb.debian.org/debian"
_PACKAGES: Final = ("ca-certificates", "curl", "procps", "python3-venv", "systemctl")
_OF_THIS_MACHINE: Final = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt")
_PIP_CACHE: Final = "root/.cache/pip"
_PASSED_ON: Final = ("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT_SECONDS: Final = 540
# systemd makes the state directories of a unit; the package does not.
_STATE_DIRECTORIES: Final = r"""
systemctl() {
    for unit in $(find /etc/systemd/system -name 'tiktok-forwarder*.service' -type f); do
        for directory in $(sed -n 's/^StateDirectory=//p' "$unit"); do
            install --directory --owner "$(sed -n 's/^User=//p' "$unit")" \
                --mode "$(sed -n 's/^StateDirectoryMode=//p' "$unit")" "/var/lib/$directory"
        done
    done
    command systemctl "$@"
}
"""


def as_root(*command: str | Path) -> list[str | Path]:
    """The command, by sudo unless root runs these tests."""
    return [*command] if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env", *command]


@contextmanager
def new_machine(room: Path) -> Iterator[Path]:
    """Make a machine of which only Debian's packages are installed; they can be upgraded and others added."""
    if not (_BASE / "usr" / "bin" / "systemctl").exists():
        _run("rm", "-rf", _BASE)
        _run("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", "bookworm", _BASE, _MIRROR)
    machine = room / "machine"
    try:
        _run("cp", "--archive", "--reflink=auto", _BASE, machine)
        for name in _OF_THIS_MACHINE:
            _run("cp", "--dereference", f"/{name}", machine / name)
        yield machine
    finally:
        # Its files are root's, so that pytest may not be able to.
        _run("rm", "-rf", "--one-file-system", machine)


def run_on(machine: Path, directory: str, script: str, output: Path) -> int:
    """Run the script as the machine's root, in a directory of it, and return its exit status.

    Processes and mounts that it leaves end with it. What pip has downloaded here needs no second download.
    """
    cache = Path.home() / ".cache" / "pip"
    cache.mkdir(parents=True, exist_ok=True)
    mounts = (
        f"mkdir -p {machine / _PIP_CACHE}",
        f"mount --bind {cache} {machine / _PIP_CACHE}",
        f"mount -t proc proc {machine / 'proc'}",
        f"mount --rbind /dev {machine / 'dev'}",
        f'exec chroot {machine} bash -euo pipefail -c "$0"',
    )
    apart = as_root("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", " && ".join(mounts))
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"PATH": _PATH, "HOME": "/root"}
    with output.open("w") as stream:
        done = subprocess.run(
            [*apart, f"cd {directory}\n{_STATE_DIRECTORIES}\n{script}"],
            env=environment,
            stdout=stream,
            stderr=stream,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    return done.returncode


def put(source: Path, target: Path) -> None:
    """Copy a directory to the machine."""
    _run("cp", "--recursive", source, target)


def _run(*command: str | Path) -> None:
    subprocess.run(as_root(*command), capture_output=True, check=True, timeout=_TIMEOUT_SECONDS)
