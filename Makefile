# MedBuilder
# SPDX-License-Identifier: Apache-2.0

SWIFT ?= swift
SWIFT_FILES := Package.swift Sources Tests Examples $(wildcard Benchmarks)
EXAMPLES := hummingbird-server service-group

.DEFAULT_GOAL := help
.PHONY: help serve test build examples bench-health bench-http bench-lifecycle bench-postgres bench-telemetry image sbom api-docs docs format lint check check-model drill soak clean

help: ## Explain every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: ## Install what is missing, build in release and serve; settings go in front, as in PORT=8080 make serve
	@scripts/setup.sh serve
	@$(SWIFT) build -c release --static-swift-stdlib --product medbuilder >&2
	@exec .build/release/medbuilder serve

test: check ## Install what is missing, build and run every test; FILTER=Shutdown runs those whose names match
	@scripts/setup.sh test
	$(SWIFT) build --build-tests
ifdef FILTER
	@SWIFT='$(SWIFT)' scripts/run-tests.sh --filter '$(FILTER)'
else
	Models/check.sh short
	@# All at once, they would wait for one another until time limits strike that have to be short; a few at a time are as fast.
	SWIFT='$(SWIFT)' SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=8 scripts/run-tests.sh --skip EndToEndTests
	@# The end-to-end tests have the machine to themselves: two cores are few for both.
	scripts/api-docs.sh
	@$(MAKE) examples
	@# Here, where no test waits for it; where it cannot be had, the tests of the image say so.
	@[ "$$(id -u)" != 0 ] || scripts/image-base.sh || true
	SWIFT='$(SWIFT)' scripts/run-tests.sh --filter EndToEndTests
endif

build: ## Build everything in debug, the tests too
	$(SWIFT) build --build-tests

examples: ## Build the packages that show MedRuntime in other services
	@# SwiftPM does not see new files of a package that lies elsewhere, unless it has to read the manifest again.
	@for name in $(EXAMPLES); do \
		touch Examples/$$name/Package.swift; \
		$(SWIFT) build --package-path Examples/$$name --scratch-path .build-examples-$$name || exit 1; \
	done

bench-health: ## Measure what probes, TLS, HTTP/2, idle connections and the status page cost, against a bare Hummingbird
	@scripts/setup.sh bench
	Benchmarks/health/run.sh

bench-http: ## Measure requests a second, start, memory and exit against a bare Hummingbird server
	@scripts/setup.sh bench
	Benchmarks/http/run.sh

bench-lifecycle: ## Measure what crash guard and accounting cost, and how fast a shutdown, a trap and a stall are answered
	@scripts/setup.sh bench
	Benchmarks/lifecycle/run.sh

bench-postgres: ## Measure the database drivers against pgbench, psql, asyncpg and GRDB
	@scripts/setup.sh bench
	Benchmarks/postgres/run.sh

bench-telemetry: ## Measure what metrics, log lines and traces cost, against prometheus-client, ecs-logging and swift-log
	@scripts/setup.sh bench
	Benchmarks/telemetry/run.sh

image: ## Build the container image, compiled in it, with Docker or buildah; IMAGE is its name
	@scripts/image.sh $(or $(IMAGE),medbuilder:latest)

sbom: ## Write the bill of materials of the release build to .build-sbom/medbuilder.cdx.json (CycloneDX), and have it checked
	@scripts/setup.sh test
	@$(SWIFT) build -c release --static-swift-stdlib --product medbuilder >&2
	@mkdir -p .build-sbom
	@scripts/sbom.py --program .build/release/medbuilder --resolved Package.resolved \
		--swift "$$($(SWIFT) --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p')" \
		--version "$$(sed -n 's/.*current = "\(.*\)".*/\1/p' Sources/medbuilder/Version.swift)" >.build-sbom/medbuilder.cdx.json
	@PYTHONPATH=.build-python python3 -B Tests/Referees/sbom.py .build-sbom/medbuilder.cdx.json

api-docs: ## Make the pages for users of the libraries, and fail if one of their links leads nowhere
	@scripts/api-docs.sh

docs: ## Write the settings tables of the documents anew, from the code
	MED_UPDATE_DOCS=1 $(SWIFT) test --filter SettingsDocumentationTests

.PHONY: alerts
alerts: ## Write the alerts on objectives anew, from deploy/prometheus/objectives.yaml
	@scripts/setup.sh test
	@scripts/alerts.py

format: ## Format all Swift code in place
	$(SWIFT) format --in-place --recursive --parallel $(SWIFT_FILES)

lint: check ## Say what breaks the house style, and change nothing
	$(SWIFT) format lint --strict --recursive --parallel $(SWIFT_FILES)

check: ## Check the rules that need no compiler: headers, imports, unsafe code, links; and that the check can fail
	@scripts/check.sh
	@scripts/check-can-fail.sh

check-model: ## Try the model of the shutdown in every order of events, with two workers and with every mistake that it must find
	@scripts/setup.sh test
	@Models/check.sh long

drill: ## Replace replicas under 5,000 requests a second ten times, behind HAProxy, nginx and nothing, then break some; results in .build/drill
	@scripts/setup.sh test
	@$(SWIFT) build -c release --static-swift-stdlib --product medbuilder >&2
	@scripts/drill.sh .build/release/medbuilder .build/drill

soak: ## Spring every trap under load 100 times, watch a busy server for 10 minutes, restart its database 20 times
	@scripts/setup.sh test
	$(SWIFT) build --build-tests
	MED_SOAK_ROUNDS=100 $(SWIFT) test --skip-build --filter EndToEndTests.TrapTests
	MED_SOAK_SECONDS=600 $(SWIFT) test --skip-build --filter 'busy with all processors'
	MED_SOAK_RESTARTS=20 MED_SOAK_SECONDS=600 $(SWIFT) test --skip-build --filter 'restarts under load'

clean: ## Remove everything that was built
	rm -rf .build .build-image .build-image-base .build-sbom .build-bench-health .build-bench-http .build-bench-lifecycle .build-bench-postgres .build-python-bench $(EXAMPLES:%=.build-examples-%)
