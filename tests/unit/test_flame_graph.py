"""The flame graph: drawn from a profiler's samples, readable by a program, and without the machine's paths."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from scripts.flame_graph import draw, main, read_threads, readable_frame

SVG = "{http://www.w3.org/2000/svg}"
START = "thread (12): MainThread;main (tiktok_forwarder/cli/main.py:9);run (uvloop/__init__.py:38)"
WRITER = "thread (13): store-database;DatabaseThread._run (tiktok_forwarder/database/thread.py:96)"
SAMPLES = f"""\
{START};accept (/home/me/app/src/tiktok_forwarder/intake/accept.py:50);map <T> (/opt/src/tiktok_forwarder/a.py:1) 600
{START};accept (/home/me/app/src/tiktok_forwarder/intake/accept.py:50) 100
{START};timeout (/usr/lib/python3.11/asyncio/timeouts.py:7) 99
{START};rare (tiktok_forwarder/rare.py:7) 1
{START} 100
{WRITER};DatabaseThread._next_jobs (tiktok_forwarder/database/thread.py:110) 5000
{WRITER};commit (tiktok_forwarder/store/sqlite/transaction.py:100) 100
thread (14);tick (threading.py:1) 1
"""


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    file = tmp_path / "flame-100x8.txt"
    file.write_text(SAMPLES)
    return file


def _drawn(samples: Path) -> ElementTree.Element:
    return ElementTree.fromstring(draw(read_threads(samples), "A title & more"))  # noqa: S314 - written here


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ("f (tiktok_forwarder/web/front.py:47)", "tiktok_forwarder.web.front: f"),
        ("C.f.<locals>.<lambda> (a/b.py:1)", "a.b: C.f.<locals>.<lambda>"),
        ("f (/home/me/x/src/tiktok_forwarder/__init__.py:1)", "tiktok_forwarder: f"),
        ("f (/venv/lib/python3.11/site-packages/uvicorn/main.py)", "uvicorn.main: f"),
        ("f (/usr/lib/python3.12/asyncio/base_events.py:1)", "asyncio.base_events: f"),
        ("f (/somewhere/else/tool.py:1)", "tool: f"),
        ("_run (<frozen runpy>:1)", "<frozen runpy>: _run"),
        ("native", "native"),
    ],
)
def test_frame_names_module_and_function_only(frame: str, expected: str) -> None:
    """The picture does not show where the profiled machine keeps its files."""
    assert readable_frame(frame) == expected


def test_frames_are_as_wide_as_their_share_of_the_thread(samples: Path) -> None:
    """A caller is as wide as all that it calls; a wait, the thread's start and what is too narrow are left out."""
    groups = {
        (group.findtext(f"{SVG}title") or ""): group.find(f"{SVG}rect") for group in _drawn(samples).iter(f"{SVG}g")
    }
    widths = {title: float(rect.attrib["width"]) for title, rect in groups.items() if rect is not None}
    assert widths == {
        "uvloop: run: 100.0%": 507.5,
        "tiktok_forwarder.intake.accept: accept: 77.8%": 394.6,
        "tiktok_forwarder.a: map <T>: 66.7%": 338.2,
        "asyncio.timeouts: timeout: 11.0%": 55.4,
        "tiktok_forwarder.store.sqlite.transaction: commit: 100.0%": 507.5,
    }


def test_threads_have_their_share_of_all_samples(samples: Path) -> None:
    """The first is the one with most samples; one without a name and with hardly a sample is left out."""
    texts = [each.text or "" for each in _drawn(samples).iter(f"{SVG}text")]
    heads = ["MainThread: 90% of all samples", "store-database: 10% of all samples"]
    assert [text for text in texts if "of all samples" in text] == heads


def test_graph_is_named_and_has_neither_paths_nor_scripts(samples: Path) -> None:
    """A screen reader reads the title; the file is safe to show and says nothing of the machine."""
    root = _drawn(samples)
    assert (
        root.attrib["role"] == "img" and root.attrib["aria-label"] == root.findtext(f"{SVG}title") == "A title & more"
    )
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {"svg", "title", "rect", "text", "g"}
    drawn = draw(read_threads(samples), "")
    assert "/home" not in drawn and "/usr" not in drawn and "/opt" not in drawn


def test_label_is_shortened_to_its_box(samples: Path) -> None:
    """No label reaches into the next frame: at most one letter for each seven and a half units of width."""
    for group in _drawn(samples).iter(f"{SVG}g"):
        rect, label = group.find(f"{SVG}rect"), group.findtext(f"{SVG}text") or ""
        assert rect is not None and len(label) * 7.5 <= float(rect.attrib["width"])


def test_graph_is_drawn_from_its_file(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The title is made of the file's name."""
    assert main([str(samples), "--folder", str(samples.parent)]) == 0
    assert capsys.readouterr().out == f"drawn: {samples.parent / 'flame-100x8.svg'}\n"
    assert "Requests of 100 events over 8 connections" in (samples.parent / "flame-100x8.svg").read_text()


@pytest.mark.parametrize("content", [None, "", "a b c\n"])
def test_file_without_samples_is_one_line_of_error(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 with what to do, and no graph."""
    file = tmp_path / "flame-1x64.txt"
    if content is not None:
        file.write_text(content)
    assert main([str(file), "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(str(file)) and error.endswith("run make flame first\n") and error.count("\n") == 1
    assert not (tmp_path / "flame-1x64.svg").exists()
