#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# make bench-http: builds both servers in release mode and measures them in one run (measure.py).
set -euo pipefail
cd "$(dirname "$0")/../.."
swift build -c release --static-swift-stdlib --product medbuilder >&2
swift build -c release --static-swift-stdlib --package-path Benchmarks/http --scratch-path .build-bench-http >&2
exec env PYTHONPATH=Benchmarks python3 -B Benchmarks/http/measure.py \
    .build/release/medbuilder .build-bench-http/release/bare-hummingbird
