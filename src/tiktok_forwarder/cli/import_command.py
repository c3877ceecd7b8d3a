"""`import`: recorded batches, accepted as if their sender sent them now."""

import json
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import click
from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tiktok_forwarder.api.types import ImportReceipt, InputView
from tiktok_forwarder.cli.api_client import ApiSession, ApiUnavailable, read_as
from tiktok_forwarder.cli.completing import input_names
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import json_option, print_message, print_record
from tiktok_forwarder.cli.recorded import Piece, pieces
from tiktok_forwarder.domain.errors import ConfigurationError, UnreadableBody, not_found
from tiktok_forwarder.settings import Settings


@click.command("import", short_help="Import recorded batches.")
@config_options
@json_option
@click.option(
    "--input",
    "input_name",
    required=True,
    shell_complete=input_names,
    help="Input that the batches are imported for, by name.",
)
@click.option("--from-start", is_flag=True, help="Start over, even if an earlier import of a file was interrupted.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_(settings: Settings, input_name: str, from_start: bool, files: tuple[Path, ...]) -> None:
    """Import the batches in FILES (JSON, one batch per line or one list; plain or gzip).

    Run an interrupted import again to continue it. Events that the service has accepted within the last 48 hours are
    counted as duplicates, not imported again. Prints counts of the events. Exit status 1 if a line could not be read.
    """
    totals: Counter[str] = Counter()
    with ApiSession(settings) as session:
        inputs = read_as(list[InputView], session.ask("GET", "/api/inputs"))
        names = [each.name for each in inputs]
        if input_name.lower() not in [name.lower() for name in names]:
            raise ConfigurationError([not_found(names, "input", input_name)])
        for file in files:
            _Import(session, input_name, file, settings.data_dir / "imports", totals).run(from_start=from_start)
    print_record(dict(totals))
    if totals["unreadable_lines"]:
        raise SystemExit(1)


class _Import:
    """The import of one file.

    Its progress is written to the data directory after every piece that the service has stored.
    """

    def __init__(self, session: ApiSession, input_name: str, file: Path, notes: Path, totals: Counter[str]) -> None:
        self._session = session
        self._path = f"/api/inputs/{quote(input_name, safe='')}/import"
        self._file = file
        self._note = notes / f"{_fingerprint(file, input_name)}.json"
        self._totals = totals

    def run(self, *, from_start: bool) -> None:
        start = 0 if from_start else self._noted()
        if start:
            print_message(f"{self._file}: continuing after batch {start}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"))
        console = Console(stderr=True)
        with Progress(*columns, TimeElapsedColumn(), console=console, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task(self._file.name, total=None)
            try:
                for piece in pieces(self._file, start):
                    self._send(piece)
                    self._keep(piece.end)
                    progress.update(task, completed=piece.end)
            except UnreadableBody as error:
                self._unreadable(str(error))
                return
            except ApiUnavailable as error:
                raise ConfigurationError([f"{self._file}: {error}; run the import again to continue it"]) from None
        self._note.unlink(missing_ok=True)

    def _send(self, piece: Piece) -> None:
        try:
            self._count(read_as(ImportReceipt, self._session.send("POST", self._path, piece.body())))
        except ConfigurationError as error:
            if len(piece.recorded) == 1:
                if isinstance(error, ApiUnavailable):
                    raise
                self._unreadable(f"{self._file}, {piece.recorded[0].place}: {error}")
                return
            # One unreadable batch, or one too many, fails the whole request: send each batch alone.
            for each in piece.recorded:
                self._send(Piece([each]))

    def _unreadable(self, message: str) -> None:
        print_message(message)
        self._totals["unreadable_lines"] += 1

    def _count(self, receipt: ImportReceipt) -> None:
        for name, count in structs.asdict(receipt).items():
            self._totals[name] += count

    def _noted(self) -> int:
        try:
            end = json.loads(self._note.read_text())["end"]
        except (OSError, ValueError, KeyError):
            return 0
        return end if isinstance(end, int) else 0

    def _keep(self, end: int) -> None:
        self._note.parent.mkdir(mode=0o700, exist_ok=True)
        partial = self._note.with_suffix(".new")
        partial.write_text(json.dumps({"end": end}))
        partial.replace(self._note)


def _fingerprint(file: Path, input_name: str) -> str:
    """Return a name of a file's content and input: a changed file is imported from the start."""
    status = file.stat()
    with file.open("rb") as stream:
        head = stream.read(65536)
    text = f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0{input_name}\0"
    return sha256(text.encode() + head).hexdigest()[:32]
