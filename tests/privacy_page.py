"""The fields that `docs/privacy.md` lists, by where they are stored."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "privacy.md"
_HEAD = "| where | fields |"
_CODE = re.compile(r"`([^`]+)`")


def listed_fields() -> dict[str, set[str]]:
    """All rows of the page's tables together; a place that is no code, such as `log`, goes by its words."""
    listed: dict[str, set[str]] = {}
    is_listing = False
    for line in PAGE.read_text().splitlines():
        is_listing = line.startswith(_HEAD) or (is_listing and line.startswith("|"))
        if not is_listing or line.startswith((_HEAD, "|---")):
            continue
        where, fields, *others = (cell.strip() for cell in line.strip("|").split(" | "))
        assert len(others) == 3 and all(others), f"a row without all of its cells: {line}"
        for place in _CODE.findall(where) or [where]:
            listed.setdefault(place, set()).update(_CODE.findall(fields))
    return listed
