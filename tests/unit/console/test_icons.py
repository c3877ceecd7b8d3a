"""The one icon set: own drawings in one file, each used by a template and found there by its name."""

import re
from pathlib import Path

CONSOLE = Path(__file__).parents[3] / "src" / "tiktok_forwarder" / "console"
DRAWN = re.findall(r'<symbol id="([a-z-]+)"', (CONSOLE / "static" / "icons.svg").read_text())
TEMPLATES = {file.name: file.read_text() for file in (CONSOLE / "templates").rglob("*.html")}


def test_every_icon_of_a_template_is_drawn() -> None:
    """An unknown name would be an empty space; a drawing that no template names is not loaded for nothing."""
    text = "".join(TEMPLATES.values())
    named = {name for call in re.findall(r"icon\(([^)]*)\)", text) for name in re.findall(r"'([a-z-]+)'", call)}
    menu = set(re.findall(r"\('/[a-z-]*', '[A-Z][a-z ]+', '([a-z-]+)'\)", TEMPLATES["base.html"]))
    assert named | menu == set(DRAWN) and len(menu) == 8


def test_no_template_has_icons_of_another_kind() -> None:
    """Letters that look like icons differ between fonts, and screen readers read their names."""
    assert not [name for name, text in TEMPLATES.items() if re.search("[↑↓✓✗×⨯☰]", text)]
