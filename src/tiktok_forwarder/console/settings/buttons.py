"""What the buttons within the form of a connection's settings do; nothing is saved."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tiktok_forwarder.console.settings.rule_drafts import change_rules, rule_document, rule_draft
from tiktok_forwarder.console.settings.source_lists import change_sources, without_field_name
from tiktok_forwarder.console.settings.topics import RULES, SOURCES, TOPIC_OF


class Redraft(Struct, frozen=True):
    """Settings after a button's change, the ID to focus, empty to keep the focus, and the topic to show unfolded."""

    settings: Mapping[str, Any]
    focus: str
    opened: str


def press_button(settings: Mapping[str, Any], wanted: str, changed: str = "") -> Redraft:
    """Apply a button such as `add-rule` or `source-up event_id 1`; unknown ones change nothing.

    `changed` is the name of the field whose change asks for a part of the form, if one does.
    """
    if settings.get(SOURCES):
        settings = {**settings, SOURCES: without_field_name(settings[SOURCES], changed)}
    if "source" in wanted.partition(" ")[0]:
        fallback = bool(settings.get("page_url_fallback"))
        sources, focus = change_sources(settings.get(SOURCES) or {}, wanted, page_url_fallback=fallback)
        return Redraft({**settings, SOURCES: sources or None}, focus, TOPIC_OF[SOURCES])
    rules, focus = change_rules([rule_draft(each) for each in settings.get(RULES) or ()], wanted)
    documents = [rule_document(rule) for rule in rules]
    return Redraft({**settings, RULES: documents or None}, focus, TOPIC_OF[RULES])
