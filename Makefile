# lxc-rs: build, try, test, install. `make help` lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
# Programs beside this repository, used when they are there.
SUITE ?= ../shared/suite/run
LAB ?= ../shared/lab/boot
COMPARE ?= ../shared/bench/compare
# Debian's scripts that its own LXC passes here. The other ones are for plain users that make links (unpriv, usernic),
# for AppArmor, for CRIU, and for kernels before 4.6.
scripts = autostart cloneconfig createconfig exit-code lxc-attach no-new-privs procsys rootfs snapdeps symlink usernsexec

host := $(shell $(CARGO) -vV 2>/dev/null | sed -n 's/^host: //p')
target := $(or $(CARGO_TARGET_DIR),target)
built = $(target)/$(host)
# What the tests run: built fast, laid out as an installation.
stage := $(CURDIR)/target/install
stage_faults := $(CURDIR)/target/install-faults
stage_release := $(CURDIR)/target/install-release

.PHONY: all help run deps-build deps-test build release man install install-test install-faults install-release \
	test test-crates test-upstream test-ours test-release suite lab lint fmt bench clean

all: install-test ## Build into target/install

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: deps-build install-test ## Make a container from nothing, look into it, remove it
	PATH="$(stage)/bin:$$PATH" tests/demo/run

deps-build:
	contrib/packages build

deps-test:
	contrib/packages build test

build: ## Build the programs, quickly
	$(CARGO) build --profile quick -p lxc-tools -p lxc-helpers

release: ## Build the programs for installation
	$(CARGO) build --release -p lxc-tools -p lxc-helpers

man: ## Write manual pages and completions to target/man and target/completions
	$(CARGO) xtask man target/man
	$(CARGO) xtask completions target/completions

install: release man ## Lay out PREFIX (below DESTDIR); touches neither /etc nor /var
	contrib/layout "$(built)/release" "$(DESTDIR)$(PREFIX)" "$(PREFIX)"

install-test: build man
	contrib/layout "$(built)/quick" "$(stage)"

install-release: release man
	contrib/layout "$(built)/release" "$(stage_release)"

# A target folder of its own, so that the two builds do not push each other out.
install-faults: man
	$(CARGO) build --profile quick -p lxc-tools -p lxc-helpers --features faults --target-dir "$(target)/faults"
	contrib/layout "$(target)/faults/$(host)/quick" "$(stage_faults)"

test: deps-test lint test-crates test-upstream test-ours test-release suite lab ## All tests (root, and apt on a fresh machine)

test-crates: ## The crates' own tests
	contrib/tests --workspace --exclude compliance

test-upstream: ## The compliance tests against Debian's LXC
	LXC_UNDER_TEST=upstream contrib/tests -p compliance --lib --test suite

test-ours: install-test install-faults ## The compliance tests against ours
	LXC_UNDER_TEST=ours contrib/tests -p compliance --test suite --test ours

test-release: install-release ## A few of them against what is installed in the end: optimised, linked as a whole
	LXC_RS_PREFIX="$(stage_release)" LXC_UNDER_TEST=ours contrib/tests -p compliance --test suite --test ours -- \
		lifecycle:: attach:: execute:: quiet:: many::

suite: install-test ## Debian's own test scripts with our tools in place, hybrid and pure cgroup2
	@if [ -x "$(SUITE)" ]; then \
		"$(SUITE)" --path-prefix "$(stage)/bin" $(scripts) && \
		"$(SUITE)" --cgroup2 --path-prefix "$(stage)/bin" $(scripts); \
	else echo "suite: $(SUITE) is not there: Debian's test scripts were not run"; fi

lab: install-test ## A short run on other kernels
	LAB="$(LAB)" tests/lab/run "$(stage)"

lint: ## Format, clippy, the rules of this repository, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) xtask tidy
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check; \
	else echo "lint: cargo-deny is not installed: dependencies were not checked"; fi

fmt: ## Format the sources
	$(CARGO) fmt --all

bench: install-release ## Compare with Debian's LXC
	@if [ -x "$(COMPARE)" ]; then \
		"$(COMPARE)" --net veth --density 40 lxc5=/usr/bin ours="$(stage_release)/bin"; \
	else echo "bench: $(COMPARE) is not there: single starts were not measured"; fi
	tests/bench/many lxc5=/usr/bin ours="$(stage_release)/bin"

clean: ## Remove what was built
	$(CARGO) clean
