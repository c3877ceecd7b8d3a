"""Podman in a mount namespace and storage of its own, and a base for the image made from Debian's packages.

The base takes the place of Python's official image, since tests reach no registry of images. Everything else is as in
production: the container file, the user, the network of the container, and the port that is published on 127.0.0.1.
"""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# Kept between runs: base and image take two minutes. Podman refuses storage that was moved with its directory.
_KEPT: Final = ROOT / "build" / "container" / sha256(str(ROOT).encode()).hexdigest()[:8]
_BASE: Final = "localhost/debian-python:bookworm"
_PACKAGES: Final = "ca-certificates,python3,python3-venv"
_AUTHORITIES: Final = "etc/ssl/certs/ca-certificates.crt"
_AS_ROOT: Final = () if os.geteuid() == 0 else ("sudo", "-n")
_NAMESPACE: Final = "mount -t cgroup2 none /sys/fs/cgroup && echo ready && exec sleep infinity"
_OPEN_FILES: Final = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

# The options that a machine needs on which Podman may not change its own cgroups and limits, such as a virtual machine
# of continuous integration. The guide's commands are run without them in its text.
_WRAPPER: Final = """#!/bin/sh
command=$1
shift
case $command in
build) set -- --build-arg BASE={base} --isolation chroot --network host "$@" ;;
run)
    set -- --env TIKTOK_FORWARDER_PORT="$PORT_8090" "$@"
    set -- --cgroups=disabled --ulimit nofile={files}:{files} --ulimit nproc=1024:1024 "$@"
    ;;
esac
exec {podman} "$command" "$@"
"""


class Podman:
    """Commands of Podman. `wrapper` is a directory with an executable `podman` for shells."""

    def __init__(self, process_id: int, folder: Path) -> None:
        program = shutil.which("podman")
        assert program, "podman is missing: scripts/set-up dev installs it"
        enter = (*_AS_ROOT, "nsenter", "--mount", f"--target={process_id}")
        podman = (
            program,
            *(f"--root={_KEPT / 'storage'}", f"--runroot={_KEPT / 'run'}"),
            *("--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--events-backend=file"),
        )
        self._prefix = (*enter, *podman)
        self.wrapper = folder / "bin"
        self.wrapper.mkdir()
        # The shell's own directory, which would be lost in the namespace.
        entered = " ".join((*enter, '"--wdns=$PWD"', *podman))
        text = _WRAPPER.format(base=_BASE, files=_OPEN_FILES, podman=entered)
        (self.wrapper / "podman").write_text(text)
        (self.wrapper / "podman").chmod(0o755)

    def run(self, *arguments: str, timeout_seconds: float = 60, stdin: int | None = None) -> str:
        """Return what the command printed. Raises `AssertionError` with its messages if it fails."""
        command = [*self._prefix, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=stdin, timeout=timeout_seconds, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr or done.stdout}"
        return done.stdout.strip()

    def run_in(self, container: str, *arguments: str) -> str:
        return self.run("exec", container, *arguments)

    def log_of(self, container: str) -> str:
        """Return what the container wrote to standard error."""
        command = [*self._prefix, "logs", container]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stderr

    def make_base(self, folder: Path) -> None:
        """Make the base unless an earlier run did: Debian's Python, and the authorities that this machine trusts."""
        if _BASE in self.run("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
            return
        made = folder / "base"
        bootstrap = (*_AS_ROOT, "debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(made))
        done = subprocess.run(bootstrap, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        subprocess.run([*_AS_ROOT, "cp", f"/{_AUTHORITIES}", str(made / _AUTHORITIES)], check=True)
        settings = folder / "pip.conf"
        settings.write_text(_pip_settings())
        subprocess.run([*_AS_ROOT, "cp", str(settings), str(made / "etc" / "pip.conf")], check=True)
        with subprocess.Popen([*_AS_ROOT, "tar", "-C", str(made), "-c", "."], stdout=subprocess.PIPE) as packing:
            assert packing.stdout is not None
            self.run("import", "-", _BASE, timeout_seconds=120, stdin=packing.stdout.fileno())
        subprocess.run([*_AS_ROOT, "rm", "-rf", str(made)], check=True)

    def build_image(self, folder: Path) -> None:
        """Build the image as the guide does, which finds each step done then: a reader may wait longer than a test."""
        command = (str(self.wrapper / "podman"), "build", "--format=docker", "--file=deploy/Containerfile", ".")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def remove_all(self) -> None:
        """Remove every container and volume; base and image stay.

        One that uses another's network goes before it, which `rm --all` does not do: what remained would keep its port.
        """
        for container in self.run("ps", "--all", "--quiet").split():
            self.run("rm", "--force", "--depend", "--ignore", "--time=2", container)
        self.run("volume", "rm", "--all", "--force")


def copy_build_files(folder: Path) -> None:
    """Copy what the image is built from, so that a guide's commands run in a directory of their own."""
    for name in ("deploy", "requirements", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in (".dockerignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)


@contextlib.contextmanager
def podman(folder: Path) -> Iterator[Podman]:
    _KEPT.mkdir(parents=True, exist_ok=True)
    command = [*_AS_ROOT, "unshare", "--mount", "sh", "-c", _NAMESPACE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        running = Podman(_child_of(process), folder)
        try:
            running.remove_all()
            yield running
        finally:
            try:
                running.remove_all()
            finally:
                process.kill()


def _child_of(process: "subprocess.Popen[str]") -> int:
    """Return the process in the namespace, which sudo starts as its child."""
    if not _AS_ROOT:
        return process.pid
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def _pip_settings() -> str:
    """Return the index that this machine uses instead of PyPI, if it does."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    indexes = [line.partition("=")[2].strip("'") for line in listed if ".index-url=" in line]
    return "\n".join(["[global]", f"cert = /{_AUTHORITIES}", *(f"index-url = {each}" for each in indexes[-1:])])
