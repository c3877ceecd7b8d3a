"""The help page, from the glossary. It is public, for those who cannot log in, and shows nothing of this service."""

from typing import Final

from starlette.responses import Response

from tiktok_forwarder.console.page import Page, PageRequest


async def _help(request: PageRequest) -> Response:
    return request.page("help/help.html")


HELP_PAGES: Final = (Page("GET", "/help", "public", _help),)
