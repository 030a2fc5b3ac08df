#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# make bench-telemetry: builds the load in release mode and measures it and its peers in one run (measure.py), or the parts that
# are named: `run.sh metrics logs server`.
set -euo pipefail
cd "$(dirname "$0")/../.."
# What Python programs measure and log with, into a folder of the project's own.
readonly python=.build-python-telemetry
[[ -d $python/ecs_logging && -d $python/prometheus_client ]] ||
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$python" \
        prometheus-client==0.26.0 ecs-logging==2.3.0 >&2
# SwiftPM does not see new files of a package that lies elsewhere, unless it has to read the manifest again.
touch Benchmarks/telemetry/Package.swift
swift build -c release --static-swift-stdlib --package-path Benchmarks/telemetry --scratch-path .build-bench-telemetry >&2
swift build -c release --static-swift-stdlib --product medbuilder >&2
gcc -O2 -shared -fPIC -o .build-bench-telemetry/allocations.so Benchmarks/telemetry/allocations.c
exec env PYTHONPATH="Benchmarks:$python" python3 -B Benchmarks/telemetry/measure.py \
    .build-bench-telemetry/release/telemetry-load .build-bench-telemetry/allocations.so .build/release/medbuilder "$@"
