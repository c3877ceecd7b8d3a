"""The buttons within the form of a connection's settings."""

from tiktok_forwarder.console.settings.buttons import Redraft, press_button

RULE = {"name": "a", "action": "only_forward", "when": [{"event_name": True, "is": ["x"]}]}
EMPTY = {"name": "", "action": "only_forward", "when": [{"event_name": True, "is": []}]}


def test_a_button_changes_its_part_and_unfolds_its_topic() -> None:
    """What was typed elsewhere stays as it is."""
    settings = {"name": "Shop", "forwarding_rules": [RULE], "page_url_fallback": False}
    changed = {**settings, "forwarding_rules": [RULE, EMPTY]}
    assert press_button(settings, "add-rule") == Redraft(changed, "rule1-name", "events")
    sources = {**settings, "sources": {"page_url": [{"flag": "TikTok.URL"}]}}
    assert press_button(settings, "choose-sources page_url") == Redraft(sources, "source-page_url-0-kind", "sources")


def test_what_is_left_empty_is_no_setting() -> None:
    """An empty list of rules or sources is the default."""
    assert press_button({"forwarding_rules": [RULE]}, "remove-rule 0").settings["forwarding_rules"] is None
    given = {"sources": {"ip": [{"flag": "a"}]}}
    assert press_button(given, "default-sources ip").settings["sources"] is None


def test_an_unknown_button_changes_nothing() -> None:
    """Without scripts a button may ask for nothing but the form as it is."""
    assert press_button({"forwarding_rules": [RULE]}, "update").settings == {"forwarding_rules": [RULE]}
    assert press_button({}, "").settings == {"forwarding_rules": None}
