"""The benchmarks against another checkout: its own program runs, in turn; each row has both and the ratio."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.__main__ import main
from bench.checkouts import ROOT, THIS, Checkout, UnusableCheckout, checkouts, for_each, in_turn
from bench.table import Column, Table

TABLE = Table((("events", 6),), (Column("events/s", 9), Column("p99 ms", 7, ",.1f")), note="  (medians)")


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """A checkout whose program is one function."""
    (tmp_path / "src" / "tiktok_forwarder").mkdir(parents=True)
    (tmp_path / "src" / "tiktok_forwarder" / "__init__.py").write_text('__version__ = "another"\n')
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.setenv("AGAINST", str(tmp_path))
    checkouts.cache_clear()
    yield Checkout("other", tmp_path, str(tmp_path / ".venv" / "bin" / "python"))
    checkouts.cache_clear()


def program_file(name: str) -> list[str]:
    """Return the version and the folder of the program that is imported here; called in a process of its own."""
    import tiktok_forwarder

    return [tiktok_forwarder.__version__, str(Path(tiktok_forwarder.__file__).parent), name]


def fail() -> None:
    raise ValueError("a reason to stop")


def test_each_checkout_runs_its_own_program(other: Checkout) -> None:
    """The benchmarks are this checkout's, the program is that of the checkout that is measured."""
    assert other.call(program_file, "x") == ["another", str(other.folder / "src" / "tiktok_forwarder"), "x"]
    assert THIS.call(program_file, "y")[1:] == [str(ROOT / "src" / "tiktok_forwarder"), "y"]


def test_call_that_fails_shows_checkout_and_reason() -> None:
    """An older program may lack what a benchmark calls: the message says which checkout cannot do what."""
    with pytest.raises(RuntimeError, match=rf"(?s){ROOT}: -m bench.call .* failed: .*a reason to stop"):
        THIS.call(fail)


def test_settings_of_the_surroundings_reach_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service is measured with the settings of the benchmark alone."""
    monkeypatch.setenv("TIKTOK_FORWARDER_PORT", "1")
    assert "TIKTOK_FORWARDER_PORT" not in THIS.variables()


def test_checkouts_take_turns_in_opposite_orders(other: Checkout) -> None:
    """A machine that becomes slower and slower favors neither."""
    calls: list[tuple[str, int]] = []

    def measure(checkout: Checkout, number: int) -> tuple[float]:
        calls.append((checkout.name, number))
        return (1.0,)

    with for_each(lambda checkout: open(ROOT / "LICENSE")) as files:  # noqa: PTH123 - any context
        assert list(files) == [THIS, other]
        measured = in_turn(3, measure)
    assert calls == [("this", 1), ("other", 1), ("other", 2), ("this", 2), ("this", 3), ("other", 3)]
    assert measured == {THIS: [(1.0,)] * 3, other: [(1.0,)] * 3}
    assert all(file.closed for file in files.values())


@pytest.mark.usefixtures("other")
def test_checkout_without_environment_is_one_line_of_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 before anything is measured."""
    (tmp_path / ".venv").unlink()
    with pytest.raises(UnusableCheckout):
        checkouts()
    assert main(["mapping"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"AGAINST={tmp_path} is not a checkout with a .venv: run scripts/set-up dev in it first\n"


def test_row_of_one_checkout_is_medians(capsys: pytest.CaptureFixture[str]) -> None:
    """Each column has the median of its own rounds."""
    TABLE.print_head()
    TABLE.print_row((100,), {THIS: [(1000.0, 3.0), (3000.0, 1.0), (2000.0, 2.25)]})
    assert capsys.readouterr().out == "events  events/s  p99 ms  (medians)\n   100     2,000     2.2\n"


def test_row_of_two_checkouts_has_the_median_of_the_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    """The ratio is that of a round, since rounds differ: here each is 2, and the medians' would be 3."""
    other = Checkout("other", Path("/nowhere"), "python")
    TABLE.print_row(
        (1,), {THIS: [(20.0, 2.0), (60.0, 2.0), (80.0, 2.0)], other: [(10.0, 0.0), (20.0, 1.0), (40.0, 1.0)]}
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["     1        60     2.0 this", "     1        20     1.0 other"]
    assert lines[2].split()[:2] == ["1", "2.00"] and lines[2].endswith(" ratio")
