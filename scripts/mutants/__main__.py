"""`python -m scripts.mutants`: the command line of mutation testing."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.mutants.campaign import Campaign, CampaignFailed, Options
from scripts.mutants.equivalents import InvalidEquivalents
from scripts.mutants.reach import NotMeasured
from scripts.mutants.selection import InvalidSelection

_CHECKOUT: Final = Path(__file__).parents[2]
_TABLE_FILE: Final = Path("build/mutants.md")
_INTERRUPTED: Final = 130
_MINUTES: Final = 10.0
_WEEK_MINUTES: Final = 7 * 24 * 60.0


def main(arguments: Sequence[str], checkout: Path = _CHECKOUT) -> int:
    """Return the exit status, which does not depend on how many mutants survive: 130 if the run was interrupted."""
    options = _read_options(arguments)
    try:
        report = Campaign(checkout, options).run()
    except (InvalidSelection, InvalidEquivalents, NotMeasured, CampaignFailed) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    text = f"{report.table()}\n{report.summary()}"
    (checkout / _TABLE_FILE).parent.mkdir(exist_ok=True)
    (checkout / _TABLE_FILE).write_text(text)
    print(f"{text}\nAlso in {_TABLE_FILE}.")
    return _INTERRUPTED if report.was_interrupted else 0


def _read_options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="make mutants",
        description="Change the product in small ways and list the changes that no quick test notices.",
    )
    parser.add_argument("targets", nargs="*", help="files, folders or packages of src/; all of it by default")
    parser.add_argument("--since", metavar="COMMIT", help="only files that changed since a commit")
    parser.add_argument("--minutes", type=float, help=f"time bound, {_MINUTES:g} by default; none with --all")
    parser.add_argument("--seed", type=int, default=1, help="of the random sample, 1 by default")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sample", type=int, metavar="N", help="how many mutants; by default what fits the time")
    size.add_argument("--all", action="store_true", help="two mutants of each line, however long it takes")
    given = parser.parse_args(arguments)
    minutes = given.minutes or (_WEEK_MINUTES if given.all else _MINUTES)
    return Options(tuple(given.targets), given.since, minutes, given.seed, given.sample)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
