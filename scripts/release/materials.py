"""The bill of materials: every locked library of the service and every file of others in the package, as CycloneDX."""

import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from scripts.release.lock import LockedLibrary

_NAME: Final = "tiktok-forwarder"
_VENDOR: Final = Path("src/tiktok_forwarder/console/static/vendor/vendor.toml")
_MARKER: Final = f"{_NAME}:environment-marker"
_MAX_LICENSE_LENGTH: Final = 100
_APPROVED: Final = "License :: OSI Approved :: "


def bill_of_materials(
    version: str, committed_at: int, wheel_sha256: str, libraries: Sequence[LockedLibrary], source: Path
) -> str:
    """Return the JSON document. It is the same for the same commit, its serial number included."""
    root = Component(
        name=_NAME,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=_NAME,
        licenses=[LicenseFactory().make_from_string("Apache-2.0 AND 0BSD AND MIT")],
        hashes=[_sha256(wheel_sha256)],
    )
    components = {library.name: _library_component(library) for library in libraries}
    vendored = list(_vendored_components(source))
    bom = Bom(
        components=[*components.values(), *vendored],
        serial_number=uuid5(NAMESPACE_URL, f"pkg:pypi/{_NAME}@{version}#{wheel_sha256}"),
        metadata=BomMetaData(component=root, timestamp=datetime.fromtimestamp(committed_at, UTC)),
    )
    direct = [components[library.name] for library in libraries if library.is_direct]
    bom.register_dependency(root, [*direct, *vendored])
    for name, component in components.items():
        bom.register_dependency(component, [components[each.name] for each in libraries if name in each.needed_by])
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def _library_component(library: LockedLibrary) -> Component:
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/simple/{library.name}/"),
        hashes=map(_sha256, library.hashes),
    )
    return Component(
        name=library.name,
        version=library.version,
        bom_ref=f"{library.name}=={library.version}",
        purl=PackageURL("pypi", name=library.name, version=library.version),
        licenses=_licenses(library),
        external_references=[files],
        properties=[Property(name=_MARKER, value=library.marker)] if library.marker else [],
    )


def _licenses(library: LockedLibrary) -> list[License]:
    """Return what the installed library says of its license; nothing if it says nothing or is not installed here."""
    try:
        found = metadata.metadata(library.name)
    except metadata.PackageNotFoundError:
        return []
    factory = LicenseFactory()
    stated = next((found[name] for name in ("License-Expression", "License") if name in found), "")
    if stated and "\n" not in stated and len(stated) <= _MAX_LICENSE_LENGTH:
        return [factory.make_from_string(stated)]
    classifiers = [each.removeprefix(_APPROVED) for each in found.get_all("Classifier") or [] if _APPROVED in each]
    return [factory.make_with_name(each) for each in classifiers]


def _vendored_components(source: Path) -> Iterator[Component]:
    packages: list[dict[str, Any]] = tomllib.loads((source / _VENDOR).read_text())["package"]
    for package in packages:
        group, _, name = package["name"].rpartition("/")
        files = [
            Component(name=file, type=ComponentType.FILE, bom_ref=file, hashes=[_sha256(details["sha256"])])
            for file, details in package["files"].items()
        ]
        yield Component(
            name=name,
            group=group or None,
            version=package["version"],
            bom_ref=f"npm:{package['name']}",
            purl=PackageURL("npm", namespace=group or None, name=name, version=package["version"]),
            licenses=[LicenseFactory().make_from_string(package["licence"])],
            components=files,
        )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
