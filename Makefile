# Everything is a line of cargo or of tests/tools/build; `make help` lists the targets.

CARGO ?= cargo
# The features of both are resolved together, so the demo compiles no dependency twice.
DEMO := --bin podwire --example demo --example app

.DEFAULT_GOAL := help
.PHONY: help build demo demo-up test test-offline test-cluster test-node test-migration cluster cluster-down bench golden tools node-tools cargo

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do printf '%-20s  %s\n' "$$target" "$$text"; done

build: cargo ## Build podwire: target/debug/podwire
	$(CARGO) build

demo: cargo ## See podwire wire an order system: offline, behind a real API server, and on a node (Linux, root)
	@echo "An order system is wired, offline and by a real API server: about 10 minutes at first, then 20 s."
	@echo "Then it runs on a real node, where the machine can have one: about 20 minutes more at first, then a minute."
	@$(CARGO) build $(DEMO)
	@$(CARGO) run --quiet --example demo

demo-up: cargo ## The same, and the API server stays until Ctrl-C, for your own kubectl
	@echo "The same as make demo, and the API server stays: about 10 minutes at first, then 20 s."
	@$(CARGO) build $(DEMO)
	@$(CARGO) run --quiet --example demo -- --keep

# What fails soonest comes first.
test: cargo ## Run every test and check; those on a node where the machine can have one (about 30 minutes at first on 2 cores, then about 9)
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) check --lib --no-default-features
	$(CARGO) test --no-run
	$(MAKE) --no-print-directory test-offline
	$(MAKE) --no-print-directory test-cluster
	$(MAKE) --no-print-directory test-node

test-offline: cargo ## Run the tests that need cargo alone
	$(CARGO) test --lib --bins --test offline
	$(CARGO) test --doc

# They wait more than they compute. That of the controller measures times, and goes before the others.
test-cluster: cargo tools ## Run the tests with a real API server, side by side (needs Go once, to build it; then about 4 minutes)
	$(CARGO) test --no-run --test cluster --test controller --test install
	CARGO="$(CARGO)" tests/tools/suites controller cluster install

test-node: cargo node-tools ## Deliver events on a real node with Dapr, Redis and Knative (Linux, root; 20 minutes at first, then less than 5)
	$(CARGO) build --bin podwire --example app
	$(CARGO) test --test node

test-migration: cargo node-tools ## Change the style of applications under load on such a node, with Dapr's own times (about 12 minutes, and nothing else may run)
	$(CARGO) build --bin podwire --example app
	$(CARGO) test --test node -- --ignored

cluster: ## Start such a node to play with: tests/tools/cluster enter kubectl get pods -A
	tests/tools/cluster up

cluster-down: ## End it
	tests/tools/cluster down

bench: cargo ## Measure the time of one admission
	$(CARGO) bench

golden: cargo ## Write anew what the tests expect, for you to read in `git diff`
	UPDATE=1 $(CARGO) test --lib --test offline

tools: ## Build the API server and the other pinned programs, once
	tests/tools/build

# Exit code 77: this machine cannot have a node, which the tests on it say again.
node-tools: ## Build what a node runs, once, where this machine can have one
	tests/tools/cluster make || test $$? = 77

cargo:
	@command -v $(CARGO) >/dev/null || { echo "There is no '$(CARGO)': install Rust $$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer, with clippy and rustfmt, and put it on the PATH." >&2; exit 1; }
