"""Runs the command line in this process, as its entry point would be run."""

import sys
from collections.abc import Callable

import pytest

from tests.integration.service_process import data_dir_in
from tests.store_choice import STORES
from tiktok_forwarder.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line with these arguments: exit status, standard output, standard error."""

    def running(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tiktok-forwarder", *map(str, arguments)])
        for name, value in STORES.variables(data_dir_in(arguments)).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return running
