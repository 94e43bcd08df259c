# Shortcuts; the work is in tools/, guest/ and Meson. `make help` lists them.
RECIPE ?= tiny
SAN    ?=
LONG   ?=

.PHONY: all demo check check-mac lab bench guest format install clean help

all: ## build build/ignition
	@tools/build.sh

demo: ## install what is missing, build, boot a guest to a root shell
	@tools/demo.sh

check: ## build and run every test; SAN=1 adds sanitizers, LONG=1 soaks
	@SAN=$(SAN) LONG=$(LONG) tools/check.sh

check-mac: ## on a Mac: unit tests, and the end-to-end tests on hvf and on soft
	@LONG=$(LONG) tools/check-mac.sh

lab: ## an arm64 machine with KVM, emulated: a shell in it
	@tools/lab.py

bench: all guest ## ours and QEMU side by side
	@bench/bench.py

guest: ## prepare a guest: RECIPE=tiny or debian
	@guest/build.py $(RECIPE)

format: ## lay out the C code
	@clang-format -i $$(git ls-files '*.[ch]')

install: all ## install the program; DESTDIR and Meson's prefix count
	@meson install -C build/$$(dirname $$(readlink build/ignition))

clean: ## remove what builds made, not downloaded guests
	@rm -rf build/gcc build/clang build/san build/tsan build/standin build/fuzz build/arm64 build/macos build/check build/ignition

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
