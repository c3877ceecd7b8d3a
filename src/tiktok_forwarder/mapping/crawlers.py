"""Known crawlers, by their user agents: visits that no person made."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, Final

_PACKAGE: Final = "crawler-user-agents"
# What people run from their own machines, or to watch their own shop, is no crawler.
_NOT_CRAWLERS: Final = frozenset({"http-library", "browser-automation", "monitoring"})
# No crawler names itself later, and the search takes time linear in the text.
_MAX_CHARACTERS: Final = 512
_MAX_REMEMBERED: Final = 10_000


def is_crawler(user_agent: str) -> bool:
    return _is_crawler(user_agent[:_MAX_CHARACTERS])


@lru_cache(maxsize=_MAX_REMEMBERED)
def _is_crawler(user_agent: str) -> bool:
    return _pattern().search(user_agent) is not None


@cache
def _pattern() -> re.Pattern[str]:
    # Imported when first needed: reading the list and compiling it takes 50 ms.
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # noqa: PLC0415

    entries: list[Mapping[str, Any]] = CRAWLER_USER_AGENTS_DATA
    return re.compile("|".join([each["pattern"] for each in entries if _NOT_CRAWLERS.isdisjoint(each["tags"])]))


def list_version() -> str:
    """Return the version of the list of crawlers, for people."""
    return f"{_PACKAGE} {version(_PACKAGE)}"
