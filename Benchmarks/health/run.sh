#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# make bench-health: builds both servers in release mode and measures them in one run (measure.py), or
# the parts that are named, as in `run.sh idle`.
set -euo pipefail
cd "$(dirname "$0")/../.."
swift build -c release --static-swift-stdlib --product medbuilder >&2
swift build -c release --static-swift-stdlib --package-path Benchmarks/health --scratch-path .build-bench-health >&2
exec env PYTHONPATH=Benchmarks python3 -B Benchmarks/health/measure.py \
    .build/release/medbuilder .build-bench-health/release/bare-hummingbird "$@"
