# `make` alone lists the targets. Most need only Go, git and make; tools are built on first use.

GO      ?= go
VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --dirty --match 'v[0-9]*' 2>/dev/null)),0.0.0-dev)

# The date is that of the commit, so that the same commit always gives the same binary.
REVISION   ?= $(shell git rev-parse --verify --quiet HEAD 2>/dev/null)
BRANCH     ?= $(shell git symbolic-ref --quiet --short HEAD 2>/dev/null)
BUILD_DATE ?= $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)

stamp   := github.com/prometheus/common/version
ldflags  = -X $(stamp).Version=$(VERSION) -X $(stamp).Revision=$(REVISION) \
           -X $(stamp).Branch=$(BRANCH) -X $(stamp).BuildDate=$(BUILD_DATE)

# Tools are pinned in separate modules, so that they add nothing to the exporter's dependencies.
golangci    := $(GO) tool -modfile=tools/lint/go.mod golangci-lint
govulncheck := $(GO) tool -modfile=tools/vuln/go.mod govulncheck
helm        := $(GO) tool -modfile=tools/helm/go.mod helm

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./magpipe_exporter, static
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(ldflags)' -o magpipe_exporter .

# docker, podman or buildah. IMAGE_FLAGS=--platform=linux/arm64 builds for another machine.
CONTAINER   ?= docker
IMAGE       ?= magpipe_exporter:$(VERSION)
IMAGE_FLAGS ?=

.PHONY: image
image: ## build the container image with $(CONTAINER)
	$(CONTAINER) build $(IMAGE_FLAGS) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		--build-arg BRANCH=$(BRANCH) --build-arg BUILD_DATE=$(BUILD_DATE) --tag $(IMAGE) .

.PHONY: image-test
image-test: ## build the image for amd64 and arm64 and run it; needs root and buildah, no registry
	bash .ci/image-test

# The race detector needs cgo, hence a C compiler with its headers.
.PHONY: test
test: ## run the tests, with the race detector if there is a C compiler
	@if echo '#include <stdlib.h>' | $$($(GO) env CC) -E - >/dev/null 2>&1; \
	then set -x; CGO_ENABLED=1 $(GO) test -race ./...; \
	else echo 'no C compiler found: testing without the race detector'; set -x; CGO_ENABLED=0 $(GO) test ./...; \
	fi

# Takes about ten minutes: 297 cases of six simulated hours each, or of a whole day for nine of them.
.PHONY: soak
soak: ## check budget and freshness on the full grid and print the table
	@mkdir -p dist
	$(GO) test -timeout 3h -run TestTheBudgetIsHeldAndDataIsFresh ./collector -soak=$(CURDIR)/dist/soak.md
	@sort -t'|' -k2,2V -k3,3n -k4,4n -k5,5n -k6,6n -k7,7n dist/soak.md

LOADTIME ?= 10m

.PHONY: load
load: ## scrape with fifty scrapers for LOADTIME, with and without the race detector
	$(GO) test -timeout 3h -run TestFiftyScrapers -v ./internal/acceptance -load=$(LOADTIME)

.PHONY: cover
cover: ## print the test coverage of apiclient and collector
	@mkdir -p dist
	$(GO) test -coverpkg=./apiclient,./collector -coverprofile=dist/cover.out ./apiclient ./collector
	@awk -F'[ :]' 'NR > 1 { block = $$1 $$2; sub(/\/[^\/]*$$/, "", $$1); \
		if (!(block in ran)) { all[$$1] += $$3; ran[block] = 0 } \
		if ($$4 > 0 && !ran[block]) { some[$$1] += $$3; ran[block] = 1 } } \
		END { for (p in all) printf "%s %.1f %%\n", p, 100 * some[p] / all[p] }' dist/cover.out

FUZZTIME ?= 10s

# When the time is over, Go 1.26 sometimes reports a failure without an input (golang.org/issue/75804), so what fails is run
# again. An input that really fails has been written to testdata by then, and fails again.
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for package in $$($(GO) list ./...); do \
		targets=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			fuzz="$(GO) test -run ^\$$ -fuzz ^$$target\$$ -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$package"; \
			$$fuzz || $$fuzz; \
		done; \
	done

# Needs Linux, and python3 for the script. json_exporter is pinned in a separate module, like the linter.
peer := github.com/prometheus-community/json_exporter

.PHONY: compare
compare: build ## compare CPU time, wall time and memory with json_exporter and a plain script
	@mkdir -p dist
	$(GO) build -modfile=tools/compare/json_exporter/go.mod -o dist/json_exporter $(peer)
	$(GO) run ./tools/compare

# One process at a time, so that ratios depend on the code alone; COUNT=10 and benchstat show how much they vary.
COUNT ?= 1

.PHONY: bench
bench: ## run the benchmarks; each reports its ratio to an alternative
	$(GO) test -p 1 -cpu 1 -run '^$$' -bench . -count $(COUNT) ./apiclient ./collector ./internal/web

# Prometheus and promtool are pinned in a separate module; its v0.313.5 is Prometheus 3.13.5. The tag leaves out service
# discovery for clouds, which is most of the code. The first build takes several minutes.
dist/tools/prometheus: tools/prometheus/go.mod tools/prometheus/go.sum
	CGO_ENABLED=0 $(GO) build -modfile=tools/prometheus/go.mod -tags remove_all_sd -o $(@D)/ \
		github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool

.PHONY: prometheus
prometheus: dist/tools/prometheus ## build Prometheus and promtool, as pinned in tools/prometheus, into dist/tools

# The rules have to work with older versions too, so an installed promtool, such as Debian's 2.42, checks them as well.
.PHONY: rules
rules: dist/tools/prometheus ## check the alerting rules and run their unit tests, with each promtool that is found
	dist/tools/promtool check config dashboards/prometheus.yml
	@cd dashboards/rules && for promtool in $(CURDIR)/dist/tools/promtool $$(command -v promtool); do \
		$$promtool --version && $$promtool check rules *.yml && \
		printf '%s\n' tests/*.yml | xargs -n 1 -P 2 $$promtool test rules || exit; \
	done

.PHONY: e2e
e2e: build dist/tools/prometheus ## run exporter, Prometheus and Alertmanager together; needs Alertmanager installed
	$(GO) test -tags e2e -count 1 -timeout 15m -v ./dashboards/e2e

# In a separate module, so that the exporter does not depend on Prometheus. The first build takes several minutes, the run
# half an hour on two cores.
.PHONY: fidelity
fidelity: ## play exporter and rules over simulated weeks, and print when which alerts fired
	@mkdir -p dist && rm -f dist/fidelity.md
	cd tools/fidelity && CGO_ENABLED=0 GOGC=400 $(GO) test -tags remove_all_sd -count=1 -timeout 3h $(FIDELITY) . \
		-table=$(CURDIR)/dist/fidelity.md || failed=1; cat $(CURDIR)/dist/fidelity.md; exit $${failed:-0}

.PHONY: fidelity-short
fidelity-short: ## play one healthy day and five troubles of it, in about a minute
	@$(MAKE) --no-print-directory fidelity FIDELITY=-short

# In a separate module, like the linter. Test results are not cached, because Go does not see files outside the module.
.PHONY: dashboards
dashboards: ## check the Grafana dashboards against the types that Grafana publishes
	$(GO) -C tools/grafana vet ./...
	$(GO) -C tools/grafana test -count=1 ./...

# In separate modules, so that the exporter does not depend on the checkers of Kubernetes, compose, releases and workflows.
# The first run compiles Helm, which takes minutes.
# Test results are not cached, because Go does not see files outside these modules.
.PHONY: deploy
deploy: ## check deploy/, .github/ and the settings of the release
	cd tools/deploy && CGO_ENABLED=0 $(GO) test -count=1 ./...
	cd tools/release && CGO_ENABLED=0 $(GO) test -count=1 ./...
	$(GO) tool -modfile=tools/workflows/go.mod actionlint

# The version is that of the image, so a tag of the repository is a version of the chart.
.PHONY: chart
chart: ## write a package of the Helm chart into dist
	CGO_ENABLED=0 $(helm) package deploy/helm --version $(VERSION) --app-version $(VERSION) --destination dist

.PHONY: chart-readme
chart-readme: ## write the table of the chart's values from values.yaml
	cd tools/deploy && CGO_ENABLED=0 $(GO) test -count=1 -run TableOfTheChart ./... -update

# The first run compiles goreleaser, which takes several minutes. It needs a clone with a remote.
.PHONY: release-check
release-check: ## check the release's settings with goreleaser, and build a snapshot for this machine
	$(GO) tool -modfile=tools/release/go.mod goreleaser check
	$(GO) tool -modfile=tools/release/go.mod goreleaser build --snapshot --clean --single-target

.PHONY: vet
vet: ## run go vet
	$(GO) vet -tags e2e ./...

.PHONY: lint
lint: ## run golangci-lint with .golangci.yml
	$(golangci) run
	cd tools/grafana && $(GO) tool -modfile=../lint/go.mod golangci-lint run
	cd tools/fidelity && CGO_ENABLED=0 $(GO) tool -modfile=../lint/go.mod golangci-lint run --build-tags remove_all_sd

# The database of known vulnerabilities. A mirror of it, or file:// and a directory, also works.
VULNDB ?= https://vuln.go.dev

.PHONY: vuln
vuln: ## look for known vulnerabilities in the code that is called; needs the database at VULNDB
	$(govulncheck) -db $(VULNDB) ./...

.PHONY: fmt
fmt: ## format the code
	$(golangci) fmt

.PHONY: ci
ci: ## run all checks that a change must pass
	bash .ci/run

.PHONY: clean
clean: ## remove what the other targets created
	rm -rf magpipe_exporter dist .cache
