"""The locked libraries of the service, as `make lock` writes them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

RUNTIME: Final = Path("requirements/runtime.txt")
_ENTRY: Final = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]+?))? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
    r"(?P<comments>(?:    #[^\n]*\n)*)",
    re.MULTILINE,
)
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")
_VIA: Final = re.compile(r"#\s+(?:via )?([a-z0-9._-]+)$", re.MULTILINE)


class LockedLibrary(Struct, frozen=True):
    """A library with the SHA-256 of each of its files, and the libraries that need it.

    The service itself needs it if `is_direct`. `marker` says where it is installed; empty: everywhere.
    """

    name: str
    version: str
    marker: str
    hashes: Sequence[str]
    needed_by: Sequence[str]
    is_direct: bool

    @property
    def constraint(self) -> str:
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


def read_lock(file: Path) -> list[LockedLibrary]:
    """Return the libraries of a lock file."""
    return list(_libraries(file.read_text()))


def _libraries(text: str) -> Iterator[LockedLibrary]:
    for entry in _ENTRY.finditer(text):
        yield LockedLibrary(
            entry["name"],
            entry["version"],
            entry["marker"] or "",
            _HASH.findall(entry["hashes"]),
            [name for name in _VIA.findall(entry["comments"]) if name != "via"],
            "-r runtime.in" in entry["comments"],
        )
