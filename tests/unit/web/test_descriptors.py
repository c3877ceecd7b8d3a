"""How many connections the limit of open files allows. Each test runs in a process of its own, whose limit it sets."""

import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
from tiktok_forwarder.web.descriptors import are_descriptors_used_up, connections_within_descriptors
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(connections_within_descriptors(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE), are_descriptors_used_up())
resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
print(are_descriptors_used_up())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "connections", "raised"),
    [
        (1024, 4096, 2000, 2000, 2256),
        (3000, 4096, 2000, 2000, 3000),
        (1024, 2255, 2000, 1999, 2255),
        (1024, 1024, 2000, 768, 1024),
        (512, 512, 2000, 256, 512),
        (100, 100, 2000, 50, 100),
        (1024, 1024, 10, 10, 1024),
    ],
)
def test_some_descriptors_are_kept_for_other_work(
    soft: int, hard: int, wanted: int, connections: int, raised: int
) -> None:
    """256 are kept, under a low limit half of them, and the soft limit is raised no further than needed."""
    arguments = [sys.executable, "-c", _PROGRAM, str(soft), str(hard), str(wanted)]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed.split("\n")[:2] == [f"{connections} {raised} {hard} False", "True"]
