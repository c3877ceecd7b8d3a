"""`test`: map the batches of test cases, and compare the outcomes with what is expected."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from tiktok_forwarder.cli.mapping.case_files import Suite, find_suites, write_expectation
from tiktok_forwarder.cli.mapping.case_results import Result, run_case
from tiktok_forwarder.cli.mapping.junit import junit_report
from tiktok_forwarder.cli.output import write_text
from tiktok_forwarder.cli.tables import shown, terminal
from tiktok_forwarder.mapping.event import Mapper


@click.command("test", short_help="Test mappings: batches in, events out.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option(
    "--update", "updates", is_flag=True, help="Write what is actual as what is expected, and show the difference."
)
@click.option(
    "--junit",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the results to, as JUnit XML.",
)
def test_command(folder: Path, updates: bool, report: Path | None) -> None:
    """Map the batches in DIR and compare the outcomes with what is expected. Sends and stores nothing.

    \b
      DIR/shop.toml                     a connection; no access token is needed
      DIR/shop/purchase.json            a batch, in any form that mParticle sends
      DIR/shop/purchase.expected.json   what must become of it

    Every field, warning and drop reason must be the same. A batch without a second file fails, until --update writes
    the file. Exit status: 0 if all cases passed; 1 if some failed; 2 if a connection or the folder is wrong.
    """
    console = terminal()
    results: list[tuple[Suite, Sequence[Result]]] = []
    for suite in find_suites(folder):
        mapper = Mapper(suite.connection)
        results.append((suite, [run_case(case, mapper) for case in suite.cases]))
    everything = [result for _, found in results for result in found]
    failed = [result for result in everything if not result.has_passed]
    updated = [result for result in failed if updates and result.actual is not None]
    for result in failed:
        _print_result(console, result, is_updated=result in updated)
    for result in updated:
        if result.actual is not None:
            write_expectation(result.case.expected_file, result.actual)
    if report is not None:
        write_text(junit_report(results), report)
    left = len(failed) - len(updated)
    counts = [f"{len(everything) - len(failed)} passed", f"{left} failed"]
    console.print(", ".join([*counts, f"{len(updated)} updated"] if updated else counts), style="bold")
    if any(result.actual is not None for result in failed) and not updates:
        console.print("If the actual outcomes are right, --update makes them the expected ones.", style="dim")
    if left:
        raise click.exceptions.Exit(1)


def _print_result(console: Console, result: Result, *, is_updated: bool) -> None:
    state = "updated" if is_updated else "failed"
    console.print(shown(f"{result.case.name}: {state}", "bold yellow" if is_updated else "bold red"), soft_wrap=True)
    if result.problem:
        console.print(shown(f"  {result.problem}"), soft_wrap=True)
    for difference in result.differences:
        console.print(shown(f"  {difference.path}"), soft_wrap=True)
        console.print(shown(f"    expected  {difference.before}", "green"), soft_wrap=True)
        console.print(shown(f"    actual    {difference.after}", "red"), soft_wrap=True)
