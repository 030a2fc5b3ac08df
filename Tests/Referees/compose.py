# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Prints a Compose file as JSON, with the variables of an environment file put in, after two checks with code that is not ours: the schema
of the Compose specification, and podman-compose, which reads the file as if it were to start what is in it.

    compose.py compose.yaml environment-file [PROFILE]
"""

import json
import os
import subprocess
import sys

import yaml

file, environment, *profiles = sys.argv[1:]


def run(*command):
    finished = subprocess.run([sys.executable, "-B", "-m", *command], capture_output=True, text=True)
    if finished.returncode != 0:
        sys.exit(f"{file}: {finished.stdout}{finished.stderr}")
    return finished.stdout


run("check_jsonschema", "--builtin-schema", "vendor.compose-spec", file)
options = [option for profile in profiles for option in ("--profile", profile)]
os.chdir(os.path.dirname(file))
json.dump(yaml.safe_load(run("podman_compose", "--env-file", environment, *options, "-f", file, "config")), sys.stdout)
