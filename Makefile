# SPDX-License-Identifier: GPL-2.0-only
#
# This file is for working on the repository itself. What a kernel tree builds is
# drivers/iommu/iommufd/Makefile.

SHELL := /bin/bash
export KDIR BASE JOBS IOMMUFD_CACHE VFIO_MODES REQUIRE
CACHE := $(or $(IOMMUFD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/iommufd)

.DEFAULT_GOAL := help
.PHONY: help deps tree kernel run demo-accel demo-dpdk demo-qemu demo-see screenshots check check-refresh coverage mutants lint arm64 bench bench-refresh matrix matrix-refresh install-tools clean distclean
.NOTPARALLEL:

help:
	@echo "make run      boot a VM and watch two devices do DMA through /dev/iommu"
	@echo "              (ARCH=arm64: one, behind an SMMUv3 that a guest has for itself)"
	@echo "make demo-qemu   boot a VM in which Debian's QEMU, two versions of it, gives a guest"
	@echo "              of its own a disk by /dev/iommu; and four NICs, while it may not lock much memory,"
	@echo "              there on the base's own kernel, too; takes minutes"
	@echo "make demo-dpdk   boot a VM in which Debian's DPDK, two versions of it, drives two NICs"
	@echo "              through iommufd's container, and through VFIO's; takes minutes"
	@echo "make demo-accel  QEMU gives a guest a disk behind the guest's own SMMUv3"
	@echo "make demo-see    a refusal explained, and who has what, as a person sees it"
	@echo "make screenshots iommufdtop tried on a terminal, and the pictures of it in the guide"
	@echo "make check    what a change has to pass: our tests, KUnit, the base's VFIO selftests"
	@echo "              (SUITES='iommufd kunit vfio module plain arm64 clients' to choose; by that"
	@echo "              name only: stress, for minutes, kcsan, which looks for data races,"
	@echo "              matrix, trinity, which calls what it likes, and unpatched, our tests"
	@echo "              on a kernel without patches/)"
	@echo "              REQUIRE=all: none may be skipped without a reason, and all be there"
	@echo "make check-refresh   how many tests there are, into scripts/required-lists/"
	@echo "make coverage which lines of iommufd our tests and KUnit reach"
	@echo "make mutants  do the tests notice defects that are put into our code, one by one?"
	@echo "              (MUTANTS='pinned* 12-20' for some; see scripts/mutants --help)"
	@echo "make lint     checkpatch, warnings, sparse, kernel-doc, documents, uapi, scripts, Arm"
	@echo "              build, build on the other kernel (CHECKS='checkpatch warnings"
	@echo "              kernel-doc docs layers names reasons uapi scripts mutants arm64 other-base' to choose)"
	@echo "make bench    instructions counted: ours beside the stock iommufd and type1"
	@echo "make bench-refresh   the same, into results/"
	@echo "make matrix   which features each of QEMU's IOMMUs gives, tried in a VM each"
	@echo "make matrix-refresh  the same, into results/"
	@echo "make install-tools   iommufd-why, iommufd-map, iommufdtop and libiommufd, with manual pages,"
	@echo "              (DESTDIR=folder PREFIX=/usr/local)"
	@echo "make tree     a kernel source tree with this repository on it, ready to build"
	@echo "make kernel   a kernel from that tree (FLAVOUR=fast, test, module, stock, mock,"
	@echo "              stock-mock, arm64, kvm, coverage, kcsan, mutants, mutants-arm64)"
	@echo "make arm64    a kernel for Arm, as the tests boot it"
	@echo "make clean    remove builds; the unpacked base, downloads and what ccache has"
	@echo "              stay, and roots (distclean: all)"
	@echo
	@echo "KDIR=path             use this Linux 7.2 or 7.3 tree as the base (it is not changed)"
	@echo "BASE=7.2              use this series of Debian's kernel source"
	@echo "IOMMUFD_CACHE=path    where everything is kept, now $(CACHE)"
	@echo "JOBS=n                parallel jobs"

deps:
	@scripts/install-deps --for build,vm

tree: deps
	@echo "$(CACHE)/$$(scripts/apply-overlay --print-key)"

FLAVOUR ?= fast
kernel: deps
	@scripts/build-kernel --flavour $(FLAVOUR) --print

ARCH ?= x86_64
run: deps
	@[[ $(ARCH) != arm64 ]] || scripts/install-deps --for armvm
	@scripts/demo --arch $(ARCH)

demo-qemu:
	@scripts/install-deps --for build,vm,root
	@scripts/demo-qemu

demo-dpdk:
	@scripts/install-deps --for build,vm,root
	@scripts/demo-dpdk

demo-accel:
	@scripts/install-deps --for build,vm,armvm,root
	@scripts/demo-accel

demo-see:
	@scripts/install-deps --for build,vm,tools
	@scripts/demo-see

screenshots:
	@scripts/install-deps --for build,vm,tools,root
	@scripts/screenshots

check: deps
	@[[ -n "$(SUITES)" && " $(SUITES) " != *@(" clients "|" trinity ")* ]] || scripts/install-deps --for root
	@[[ -n "$(SUITES)" && " $(SUITES) " != *@(" arm64 "|" matrix ")* ]] || scripts/install-deps --for armvm
	@[[ -n "$(SUITES)" && " $(SUITES) " != *" iommufd "* ]] || scripts/install-deps --for tools
	@scripts/check $(SUITES)

check-refresh: deps
	@scripts/required --refresh

coverage: deps
	@scripts/coverage $(TESTS)

mutants:
	@scripts/install-deps --for build,vm
	@set -f; scripts/mutants $(MUTANTS)

lint:
	@scripts/install-deps --for build,lint,arm64
	@scripts/lint $(CHECKS)

arm64:
	@scripts/install-deps --for build,arm64
	@scripts/build-kernel --flavour arm64

matrix:
	@scripts/install-deps --for build,vm,armvm
	@scripts/matrix $(MODELS)

matrix-refresh:
	@scripts/install-deps --for build,vm,armvm
	@scripts/matrix --page results/matrix.rst

bench:
	@scripts/install-deps --for build,vm,bench
	@scripts/bench

bench-refresh:
	@scripts/install-deps --for build,vm,bench
	@scripts/bench --output results --page results/bench.rst

TOOLS := $(CACHE)/build-tools
install-tools:
	@scripts/install-deps --for tools
	@mkdir -p $(TOOLS)
	@$(MAKE) -C tools/iommufd OUTPUT=$(TOOLS) install

clean:
	rm -rf $(CACHE)/build-* $(CACHE)/tree-* $(CACHE)/plain-* $(CACHE)/results $(CACHE)/staging.*

distclean: clean
	rm -rf $(CACHE)/base-* $(CACHE)/stock-* $(CACHE)/ccache $(CACHE)/dl $(CACHE)/apt $(CACHE)/lock $(CACHE)/roots
