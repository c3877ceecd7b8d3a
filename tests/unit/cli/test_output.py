"""The parts of what commands print: texts that a terminal cannot obey, and tables that fit it."""

import io

import pytest
from rich.console import Console

from tiktok_forwarder.api.types import StatusView
from tiktok_forwarder.cli.output import Column, printable, utc_time
from tiktok_forwarder.cli.status_command import live_view, status_view
from tiktok_forwarder.cli.tables import find_table, print_values, table_or_blocks

COLUMNS = (Column("name", "name"), Column("count", "count"), Column("notes", "notes", wraps=True))
RECORDS = [{"name": "Shop", "count": 1200, "notes": ["a note", "[red]another[/red]"]}, {"name": "EU", "count": 3}]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer 価格", "plain, größer 価格"),
        ("\x1b[2Jred\x07", r"\x1b[2Jred\x07"),
        ("two\nlines\tand\x9b", r"two\nlines\tand\x9b"),
        ("\u202eright\ud800", r"\u202eright\ud800"),
    ],
)
def test_printable_text_has_no_controls(text: str, shown: str) -> None:
    """What a terminal would obey, or hide, is an escape; everything else stays."""
    assert printable(text) == shown


def printed(width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(*table_or_blocks(RECORDS, COLUMNS, width), sep="")
    return [line.rstrip() for line in captured.get().splitlines()]


def test_records_that_fit_are_a_table() -> None:
    """Numbers are at the right, texts are no markup."""
    assert printed(60) == [
        "name  count  notes",
        "Shop  1,200  a note, [red]another[/red]",
        "EU        3",
    ]


def test_records_that_do_not_fit_are_blocks() -> None:
    """Only texts that wrap may get narrower; empty values are omitted."""
    assert printed(25) == [
        *("name   Shop", "count  1,200", "notes  a note,", "       [red]another[/red]", ""),
        *("name   EU", "count  3", ""),
    ]


def test_times_are_shown_in_utc() -> None:
    """Without a time there is nothing to show."""
    assert (utc_time(1_735_689_600_999), utc_time(None)) == ("2025-01-01 00:00:00", "")


def test_every_time_of_a_record_is_shown_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it is of, also inside another value; one that is absent stays so."""
    at_ms = 1_735_689_600_999
    print_values({"accepted_at_ms": at_ms, "kept_until_ms": at_ms, "delivery": {"since_ms": at_ms}, "end_ms": None})
    assert [line.rstrip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines()] == [
        ["accepted_at_ms", "2025-01-01 00:00:00 UTC"],
        ["kept_until_ms", "2025-01-01 00:00:00 UTC"],
        ["delivery.since_ms", "2025-01-01 00:00:00 UTC"],
        ["end_ms", "null"],
    ]


def test_live_status_says_how_to_end_it() -> None:
    """Below what is shown once."""
    found = StatusView(True, [], [])
    console = Console(width=100)
    with console.capture() as captured:
        console.print(status_view(found, 100))
        console.print(live_view(found, 100))
    once, *live = [line.rstrip() for line in captured.get().splitlines()]
    assert live == [once, "Ctrl-C ends this; --once shows it once."]


def test_table_shows_every_value_whole_at_any_width() -> None:
    """A column that wraps gets its narrowest width, and none is cut at the edge of the terminal."""
    columns = [Column(str(number), name, wraps=name > "b", narrowest=10) for number, name in enumerate("bxyz")]
    record = {"b": "b" * 12, "x": "x" * 30, "y": "y" * 50, "z": "z" * 8}
    shown = 0
    for width in range(30, 120):
        table = find_table([record], columns, width)
        if table is not None:
            shown += 1
            output = io.StringIO()
            Console(width=width, file=output).print(table)
            text = output.getvalue()
            assert {name: text.count(name) for name in record} == {"b": 12, "x": 30, "y": 50, "z": 8}
            assert max(map(len, text.splitlines())) <= width
    assert shown == 120 - (12 + 10 + 10 + 8 + 3 * 2)
