# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Checks a bill of materials in CycloneDX's JSON against the standard's schema, and prints the purl of each component, a line each."""

import json
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
document = json.loads(text)
version = SchemaVersion.from_version(document["specVersion"])
error = JsonStrictValidator(version).validate_str(text)
if error is not None:
    sys.exit(f"{sys.argv[1]}: {error}")
# Read by the library's own model too, which resolves what refers to what.
bom = Bom.from_json(document)
bom.validate()
print("\n".join(sorted(str(component.purl or component.name) for component in bom.components)))
