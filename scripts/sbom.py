#!/usr/bin/env python3
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Writes the bill of materials of a program, as CycloneDX 1.6 in JSON, to standard output.

    scripts/sbom.py --program .build/release/medbuilder --resolved Package.resolved [--swift 6.3.1] [--root FOLDER]

What is in it: the Swift packages that Package.resolved names, the Swift runtime that is linked in, and the Debian packages that own the
shared libraries which the program loads, directly or through one another. With --root the libraries and packages are those below that
folder, such as the root file system of an image. --without names a package of Package.resolved that is not linked in. For the same input the output is the same, but for the time (SOURCE_DATE_EPOCH sets it).
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64")


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def fail(sentence):
    sys.exit(f"scripts/sbom.py: {sentence}")


def dynamic_section(file):
    """What a program or library needs, and where it has it looked for."""
    text = run("readelf", "--dynamic", "--wide", str(file))
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    paths = [path for paths in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", text) for path in paths.split(":")]
    return needed, paths


def shared_libraries(program, root):
    """The libraries that the program loads: real path below the root by name."""
    machine = os.uname().machine
    standard = [root / folder / sub for sub in (f"{machine}-linux-gnu", "") for folder in FOLDERS]
    found, open_files = {}, [program]
    while open_files:
        file = open_files.pop()
        needed, paths = dynamic_section(file)
        own = [
            file.parent if path == "$ORIGIN" else root / path.lstrip("/") for path in paths
        ]
        for name in needed:
            if name in found:
                continue
            place = next((folder / name for folder in own + standard if (folder / name).exists()), None)
            if place is None:
                fail(f"{name}, which {file.name} needs, is not there.")
            found[name] = pathlib.Path(os.path.realpath(place))
            open_files.append(found[name])
    return found


def debian_packages(libraries, root):
    """The packages that own the libraries, by dpkg's database: a set of names, and the libraries that nobody owns."""
    database = root / "var/lib/dpkg"
    owners = {}
    for list_file in (database / "info").glob("*.list"):
        for path in list_file.read_text().splitlines():
            if ".so" in path:
                owners.setdefault(path, list_file.stem)
    names, unowned = {}, []
    for library, path in libraries.items():
        inside = "/" + str(path.relative_to(root.resolve()))
        # A merged /usr has two names for each file, and the database has either.
        owner = owners.get(inside) or owners.get(inside.removeprefix("/usr")) or owners.get("/usr" + inside)
        if owner is None:
            unowned.append(library)
        else:
            names.setdefault(owner.split(":")[0], []).append(library)
    return names, unowned


def debian_components(names, root):
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', (root / "etc/os-release").read_text(), re.M))
    status = (root / "var/lib/dpkg/status").read_text()
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.M))
        name = fields.get("Package")
        if name not in names:
            continue
        distribution = f"{release.get('ID', 'debian')}-{release.get('VERSION_ID', '')}".rstrip("-")
        purl = (
            f"pkg:deb/{release.get('ID', 'debian')}/{name.replace('+', '%2B')}@{encoded(fields['Version'])}"
            f"?arch={fields['Architecture']}&distro={distribution}"
        )
        yield {
            "type": "library", "bom-ref": purl, "name": name, "version": fields["Version"], "purl": purl,
            "supplier": {"name": re.sub(r" <.*", "", fields.get("Maintainer", "Debian"))},
            "properties": [{"name": "medbuilder:library", "value": library} for library in sorted(names[name])],
        }


def encoded(version):
    return version.replace("+", "%2B").replace(":", "%3A")


def swift_components(resolved, without):
    pins = json.loads(pathlib.Path(resolved).read_text())["pins"]
    if unknown := set(without) - {pin["identity"] for pin in pins}:
        fail(f"{resolved} does not name {', '.join(sorted(unknown))}.")
    for pin in pins:
        if pin["identity"] in without:
            continue
        address = pin["location"].removesuffix(".git")
        version = pin["state"].get("version") or pin["state"]["revision"]
        purl = f"pkg:swift/{address.split('://')[-1]}@{encoded(version)}"
        yield {
            "type": "library", "bom-ref": purl, "name": pin["identity"], "version": version, "purl": purl,
            "pedigree": {"commits": [{"uid": pin["state"]["revision"]}]},
            "externalReferences": [{"type": "vcs", "url": address}],
        }


def toolchain_component(version):
    """The Swift runtime and Foundation are linked in: what compiled the program is a part of it."""
    return {
        "type": "framework", "bom-ref": f"swift-runtime@{version}", "name": "swift-runtime", "version": version,
        "externalReferences": [{"type": "website", "url": "https://www.swift.org"}],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--resolved", required=True)
    parser.add_argument("--without", action="append", default=[], help="a Swift package that is resolved, and not in the program")
    parser.add_argument("--root", default="/")
    parser.add_argument("--version", default="0.0.0")
    parser.add_argument("--swift", help="the version of the toolchain whose runtime is linked in")
    options = parser.parse_args()
    root = pathlib.Path(options.root)
    program = pathlib.Path(options.program)

    libraries = shared_libraries(program, root)
    names, unowned = debian_packages(libraries, root)
    components = list(swift_components(options.resolved, options.without)) + list(debian_components(names, root))
    if options.swift:
        components.append(toolchain_component(options.swift))
    # Libraries of the Swift runtime that lie beside the program, where it is not linked in.
    components += [
        {"type": "library", "bom-ref": f"file:{name}", "name": name}
        for name in sorted(unowned)
    ]
    components.sort(key=lambda component: component["bom-ref"])
    moment = datetime.datetime.fromtimestamp(
        int(os.environ.get("SOURCE_DATE_EPOCH", datetime.datetime.now().timestamp())), datetime.timezone.utc
    )
    this = f"pkg:generic/medbuilder@{encoded(options.version)}"
    content = json.dumps(components, sort_keys=True)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, this + content)}",
        "metadata": {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application", "bom-ref": this, "name": "medbuilder", "version": options.version, "purl": this,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": components,
        "dependencies": [{"ref": this, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    json.dump(document, sys.stdout, indent=2)
    print()


main()
