# Everything is a line of cargo or of tests/tools/build; `make help` lists the targets.

CARGO ?= cargo
# The features of both are resolved together, so the demo compiles no dependency twice.
DEMO := --bin podwire --example demo

.DEFAULT_GOAL := help
.PHONY: help build demo demo-up test test-offline test-cluster bench golden tools cargo

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do printf '%-20s  %s\n' "$$target" "$$text"; done

build: cargo ## Build podwire: target/debug/podwire
	$(CARGO) build

demo: cargo ## See podwire wire an order system: offline, then behind a real API server
	@echo "An order system is wired, offline and by a real API server: about 10 minutes at first, then 20 s."
	@$(CARGO) build $(DEMO)
	@$(CARGO) run --quiet --example demo

demo-up: cargo ## The same, and the API server stays until Ctrl-C, for your own kubectl
	@echo "The same as make demo, and the API server stays: about 10 minutes at first, then 20 s."
	@$(CARGO) build $(DEMO)
	@$(CARGO) run --quiet --example demo -- --keep

# What fails soonest comes first.
test: cargo ## Run every test and check (about 15 minutes at first on 2 cores, then about 3)
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) check --lib --no-default-features
	$(MAKE) --no-print-directory test-offline
	$(MAKE) --no-print-directory test-cluster

test-offline: cargo ## Run the tests that need cargo alone
	$(CARGO) test --lib --bins --test offline
	$(CARGO) test --doc

test-cluster: cargo tools ## Run the tests with a real API server (needs Go once, to build it)
	$(CARGO) test --test cluster

bench: cargo ## Measure the time of one admission
	$(CARGO) bench

golden: cargo ## Write anew what the tests expect, for you to read in `git diff`
	UPDATE=1 $(CARGO) test --lib --test offline

tools: ## Build the API server and the other pinned programs, once
	tests/tools/build

cargo:
	@command -v $(CARGO) >/dev/null || { echo "There is no '$(CARGO)': install Rust $$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer, with clippy and rustfmt, and put it on the PATH." >&2; exit 1; }
