# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Asks the schemas of PyPI's kubernetes-validate, strictly, what is wrong with the objects of a manifest.

    kubernetes.py FILE VERSION...    against each of these versions of Kubernetes; `newest` is the newest one that there is

A kind without a schema counts as wrong (the command of that package only warns), but for the ServiceMonitor, whose schema is beside
this program. Prints a line for each object and ends with 0; or says what is wrong, and ends with 1.
"""
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

OWN = {"ServiceMonitor": "servicemonitor.schema.json"}


def check(document, version):
    """What is wrong with an object; nothing if all is well."""
    own = OWN.get(document["kind"])
    if own:
        schema = json.loads(pathlib.Path(__file__).with_name(own).read_text())
        errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
        return ["%s: %s" % (error.json_path, error.message) for error in errors]
    try:
        used = kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return ["%s: %s" % (".".join(map(str, error.path)), error.message)]
    except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
        return [error.message]
    # It takes the next older schemas for a version that it does not have.
    return [] if used == version else ["there are no schemas for %s" % version]


def main(path, versions):
    newest = ".".join(kubernetes_validate.latest_version().split(".")[:2])
    with open(path) as file:
        documents = [document for document in yaml.safe_load_all(file) if document]
    findings = 0
    for document in documents:
        name = "%s/%s" % (document["kind"], document["metadata"]["name"])
        for version in versions:
            for finding in check(document, newest if version == "newest" else version):
                print("%s, Kubernetes %s: %s" % (name, version, finding), file=sys.stderr)
                findings += 1
        print(name)
    return 1 if findings or not documents else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
