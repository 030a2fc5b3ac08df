#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# make bench-postgres: builds the load in release mode and measures it and its peers in one run (measure.py), or the parts that
# are named, as in `run.sh select`.
set -euo pipefail
cd "$(dirname "$0")/../.."
# The best known driver of Python, into a folder of the project's own.
[[ -d .build-python-bench/asyncpg ]] ||
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .build-python-bench asyncpg >&2
# SwiftPM does not see new files of a package that lies elsewhere, unless it has to read the manifest again.
touch Benchmarks/postgres/Package.swift
swift build -c release --static-swift-stdlib --package-path Benchmarks/postgres --scratch-path .build-bench-postgres >&2
swift build -c release --static-swift-stdlib --product medbuilder >&2
exec env PYTHONPATH=Benchmarks:.build-python-bench python3 -B Benchmarks/postgres/measure.py \
    .build-bench-postgres/release/database-load .build/release/medbuilder "$@"
