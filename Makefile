# SPDX-License-Identifier: Apache-2.0
# The commands of this project. Each says what it does and how long it took, and does nothing twice.
JOBS ?= $(shell nproc)
GROUPS ?= build run test
FUZZ_SECONDS ?= 60
OUT ?= demo

step = tools/step.sh
.DEFAULT_GOAL := help
.NOTPARALLEL:  # packages before configuring before building; ninja uses the cores
.PHONY: help demo test build deps fuzz asan tsan tidy coverage check format install package clean

help: ## print this list
	@echo 'Tenfold: make TARGET'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables: JOBS=$(JOBS)  GROUPS="$(GROUPS)"  FUZZ_SECONDS=$(FUZZ_SECONDS)  OUT=$(OUT)  PREFIX=$(PREFIX)'

demo: build ## install what is missing, build, run the main job on embedded data; writes demo/report.html
	@$(step) "demo" build/release/bin/tenfold demo --out $(OUT)

test: deps build/release/build.ninja build/asan/build.ninja ## install what is missing, build, run all tests; the last line counts them
	@$(step) "build with tests" ninja -C build/release -j $(JOBS)
	@$(step) "build with sanitizers" ninja -C build/asan -j $(JOBS)
	@tools/run_tests.sh build/release: build/asan:fast

build: deps build/release/build.ninja ## build the program, build/release/bin/tenfold, and the libraries
	@$(step) "build" ninja -C build/release -j $(JOBS) program

deps: ## install the missing packages of packaging/dependencies.txt (GROUPS="build run test")
	@packaging/install-dependencies.sh $(GROUPS)

# Configures once; ninja itself repeats it when a CMake file changes.
build/%/build.ninja: CMakePresets.json
	@$(step) "configure $*" cmake --preset $* -Wno-dev
	@touch $@

asan: deps build/asan/build.ninja ## the torch-free tests under address and undefined-behaviour sanitizers
	@$(step) "build with sanitizers" ninja -C build/asan -j $(JOBS)
	@tools/run_tests.sh build/asan:fast

tsan: deps build/tsan/build.ninja ## the torch-free tests under the thread sanitizer
	@$(step) "build with the thread sanitizer" ninja -C build/tsan -j $(JOBS)
	@tools/run_tests.sh build/tsan:fast

fuzz: ## run each libFuzzer harness for FUZZ_SECONDS
	@packaging/install-dependencies.sh build fuzz
	@$(MAKE) --no-print-directory build/fuzz/build.ninja
	@$(step) "build the harnesses" ninja -C build/fuzz -j $(JOBS) fuzzers
	@tools/run_fuzzers.sh build/fuzz $(FUZZ_SECONDS)

tidy: ## clang-tidy on the torch-free part, warnings are errors
	@packaging/install-dependencies.sh build dev
	@$(MAKE) --no-print-directory build/tidy/build.ninja
	@$(step) "clang-tidy" ninja -C build/tidy -j $(JOBS) -k 0

coverage: ## line coverage of base, config, io, report and serve; fails below 90 %
	@packaging/install-dependencies.sh build test dev
	@$(MAKE) --no-print-directory build/coverage/build.ninja
	@$(step) "coverage" tools/coverage.sh build/coverage $(JOBS)

check: deps build/release/build.ninja ## the quick checks of the sources: layers, calls, headers, scripts, format
	@tools/run_tests.sh build/release:check

format: ## format all C++ files in place
	@packaging/install-dependencies.sh dev
	@tools/format.sh --in-place

install: build ## install below PREFIX (default /usr/local), DESTDIR honoured
	@$(step) "install" cmake --install build/release $(if $(PREFIX),--prefix $(PREFIX))

package: build ## build/release/*.deb
	@$(step) "package" sh -c 'cd build/release && cpack -G DEB'

clean: ## delete build/ and demo/
	rm -rf build demo
