"""What a service uses, once a second: memory, descriptors, the delay of its event loop; and their file."""

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import Struct, structs

CACHE_MIB: Final = 62.5


class LoadSample(Struct, frozen=True):
    """One moment. `loop_delay_ms` and `requests_per_second` are means since the sample before.

    `database_mib` is the size of `events.db`, whose pages SQLite keeps in memory up to its cache of 62.5 MiB.
    """

    seconds: float
    memory_mib: float
    database_mib: float
    descriptors: int
    loop_delay_ms: float
    requests_per_second: float
    waiting: int


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def write_samples(file: Path, samples: Sequence[LoadSample]) -> None:
    """Write one line for each sample, below a line of names."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(LoadSample.__struct_fields__)
        writer.writerows([round(value, 3) for value in structs.astuple(sample)] for sample in samples)


def memory_of_thirds(samples: Sequence[LoadSample]) -> tuple[float, float]:
    """Return the median memory of the second third and of the last one: the first is warm-up.

    Without the pages of the database, which hold the de-duplication keys of 48 hours: their cache is bounded.
    """
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    return median(map(_without_pages, middle)), median(map(_without_pages, last))


def _without_pages(sample: LoadSample) -> float:
    return sample.memory_mib - min(sample.database_mib, CACHE_MIB)
