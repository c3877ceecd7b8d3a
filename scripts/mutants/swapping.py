"""Puts a mutant into a process: into functions that exist already, or into a module that is imported later."""

import gc
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

_PACKAGE_FILE: Final = "__init__.py"

_Key = tuple[str, int]


def module_name(place: str) -> str:
    *packages, file_name = Path(place).parts
    return ".".join(packages if file_name == _PACKAGE_FILE else [*packages, file_name.removesuffix(".py")])


def live_functions(source: str) -> dict[str, list[FunctionType]]:
    """The functions of the product that exist in this process, by the path of their file."""
    functions: dict[str, list[FunctionType]] = defaultdict(list)
    for value in gc.get_objects():
        if isinstance(value, FunctionType) and value.__code__.co_filename.startswith(source):
            functions[value.__code__.co_filename].append(value)
    return functions


def swap_code(functions: Sequence[FunctionType], mutated: CodeType) -> bool:
    """Give functions of one module the code they have in the mutated module; False if that is not possible."""
    codes: dict[_Key, list[CodeType]] = defaultdict(list)
    for code in _codes_in(mutated):
        codes[_key(code)].append(code)
    has_changed = False
    for function in functions:
        found = codes[_key(function.__code__)]
        if function.__code__ in found:
            continue
        if len(found) != 1 or found[0].co_freevars != function.__code__.co_freevars:
            return False
        function.__code__ = found[0]
        has_changed = True
    return has_changed


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)


def _key(code: CodeType) -> _Key:
    return code.co_qualname, code.co_firstlineno


class MutantFinder(MetaPathFinder):
    """Makes the import of one module run a mutated text."""

    def __init__(self, file: Path, place: str, mutated: CodeType) -> None:
        self._file = file
        self._name = module_name(place)
        self._mutated = mutated

    def install(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        packages = [str(self._file.parent)] if self._file.name == _PACKAGE_FILE else None
        loader = _MutantLoader(fullname, str(self._file), self._mutated)
        return spec_from_file_location(fullname, self._file, loader=loader, submodule_search_locations=packages)


class _MutantLoader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, mutated: CodeType) -> None:
        super().__init__(fullname, path)
        self._mutated = mutated

    def get_code(self, fullname: str) -> CodeType:
        return self._mutated
