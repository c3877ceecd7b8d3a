"""The chart of a soak: drawn from its samples, whole, and readable by a program."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from scripts.soak_chart import draw, main, read_samples

from tests.crash.load_samples import LoadSample, memory_of_thirds, write_samples

SVG = "{http://www.w3.org/2000/svg}"


def _samples(number: int) -> list[LoadSample]:
    return [LoadSample(float(n), 80.0 + n % 2, 5.0, 20, 0.5 * (n % 3), 400.0, 7) for n in range(1, number + 1)]


def _drawn(tmp_path: Path, number: int) -> ElementTree.Element:
    file = tmp_path / "soak.csv"
    write_samples(file, _samples(number))
    return ElementTree.fromstring(draw(read_samples(file)))  # noqa: S314 - written here


@pytest.mark.parametrize(("number", "points"), [(1, 1), (300, 300), (301, 151), (900, 300)])
def test_chart_has_a_line_of_bounded_length_for_each_figure(tmp_path: Path, number: int, points: int) -> None:
    """Of more than 300 samples, means of neighbors are drawn; no point is outside its panel."""
    lines = _drawn(tmp_path, number).findall(f"{SVG}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [points] * 3
    for panel, line in enumerate(lines):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 60 <= x <= 740 and 100 * panel + 24 <= y <= 100 * panel + 84


def test_chart_names_lowest_and_highest_of_all_samples(tmp_path: Path) -> None:
    """A single bad second is visible in the title, though the line is smoothed."""
    texts = [each.text or "" for each in _drawn(tmp_path, 900).iter(f"{SVG}text")]
    assert "Memory (MiB): lowest 80, highest 81" in texts
    assert "Mean delay of the event loop (ms): lowest 0.0, highest 1.0" in texts
    assert "15 min" in texts


@pytest.mark.parametrize(
    "content", [None, "", "seconds,memory_mib\n1,2\n", "seconds,memory_mib,descriptors,loop_delay_ms\n"]
)
def test_file_without_samples_is_one_line_of_error(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 with what to do, and no chart."""
    file, chart = tmp_path / "soak.csv", tmp_path / "soak.svg"
    if content is not None:
        file.write_text(content)
    assert main([str(file), str(chart)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(str(file)) and error.endswith("run make soak first\n") and error.count("\n") == 1
    assert not chart.exists()


def test_memory_is_compared_between_the_last_two_thirds() -> None:
    """The first third is warm-up; medians ignore single peaks, and cached pages are no leak."""
    memory = [1.0, 90.0, 1.0, 50.0, 51.0, 500.0, 60.0, 61.0, 5.0]
    samples = [LoadSample(n, each + n, float(n), 20, 0.0, 1.0, 0) for n, each in enumerate(memory)]
    assert memory_of_thirds(samples) == (51.0, 60.0)
    large = [LoadSample(n, 200.0, 62.0 + n, 20, 0.0, 1.0, 0) for n in range(9)]
    assert memory_of_thirds(large) == (137.5, 137.5)
