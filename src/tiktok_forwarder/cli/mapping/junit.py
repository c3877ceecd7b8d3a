"""The results of mapping tests in the XML form of JUnit, which CI systems read."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # writes only

from tiktok_forwarder.cli.mapping.case_files import Suite
from tiktok_forwarder.cli.mapping.case_results import Result
from tiktok_forwarder.cli.output import printable


def junit_report(results: Sequence[tuple[Suite, Sequence[Result]]]) -> str:
    """Return one test suite for each connection."""
    root = Element("testsuites")
    for suite, found in results:
        failures = sum(not result.has_passed for result in found)
        element = SubElement(
            root, "testsuite", name=printable(suite.file.name), tests=str(len(found)), failures=str(failures)
        )
        for result in found:
            _add_case(element, suite, result)
    indent(root)
    return tostring(root, "unicode", xml_declaration=False) + "\n"


def _add_case(suite_element: Element, suite: Suite, result: Result) -> None:
    name = result.case.batch_file.stem
    element = SubElement(suite_element, "testcase", classname=printable(suite.file.stem), name=printable(name))
    if result.has_passed:
        return
    lines = [f"{each.path}: expected {each.before}, actual {each.after}" for each in result.differences]
    # XML has no form for control characters.
    text = "\n".join(printable(line) for line in lines or [result.problem])
    SubElement(element, "failure", message=printable(result.problem or lines[0])).text = text
