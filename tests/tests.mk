# SPDX-License-Identifier: MIT
#
# What `make check`, `make check-all`, `make demo` and `make fuzz` are made of. Every layer prints
# TAP; tests/run adds it up and ends with "N passed, N failed".

TEST_LIBS    := cmocka libudev libusb-1.0 libsocketcan libsystemd libconfig libcjson libcrypto sqlite3 zlib
# The emulated boards run foreign code (tests/emu/rp2040_exec.c). No program of the product does.
EMU_LIBS     := unicorn
TEST_CFLAGS   = $(ALL_CFLAGS) -Itests
# All floors but their roofs. port/usb.c is replaced by the emulated boards in the tests that link
# them: what an object brings wins over an archive.
TEST_FLOORS  := client daemon worker backend port model base
TEST_ARCHIVES = $(TEST_FLOORS:%=$(B)/lib%.a)

EMU_CORE := $(patsubst tests/%.c,$(B)/tests/%.o,$(filter-out %_bench.c tests/emu/umockdev_%,$(wildcard tests/emu/*.c)))
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_HELPERS := $(patsubst tests/%.c,$(B)/tests/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
FUZZERS      := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS      := $(FUZZERS:%=$(B)/tests/fuzz/%)
FIGURES      := $(patsubst tests/bench/%_bench.c,$(B)/tests/bench-%,$(wildcard tests/bench/*_bench.c))
BENCHES      := $(B)/tests/bench-umockdev $(B)/tests/bench-vhci $(FIGURES)

$(B)/tests/%.o: tests/%.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	@echo "  CC    tests/$*"
	$(Q)$(CC) $(TEST_CFLAGS) $(EXTRA_$(*F)) -MMD -MP -c -o $@ $<

$(UNIT_TESTS): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(UNIT_HELPERS) $(EMU_CORE) $(TEST_ARCHIVES)
	@echo "  LINK  tests/unit/$*"
	$(Q)$(CC) $(TEST_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) $(call pkg_libs,$(TEST_LIBS) $(EMU_LIBS))

# Some write a file of the format that they try out, or a program.
FUZZ_HELPERS := $(B)/tests/unit/make_image.o $(B)/tests/unit/make_arm.o
# A hostile board stands in for port/usb.c or port/serial.c, and only one can do so.
HELPERS_fuzz_dfu_visit := $(B)/tests/fuzz/dfu_board.o $(B)/tests/fuzz/dfu_hostile.o
HELPERS_fuzz_katapult_visit := $(B)/tests/fuzz/katapult_board.o $(B)/tests/fuzz/katapult_hostile.o

$(B)/tests/fuzz/fuzz_dfu_visit: $(HELPERS_fuzz_dfu_visit)
$(B)/tests/fuzz/fuzz_katapult_visit: $(HELPERS_fuzz_katapult_visit)

$(REPLAYS): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(FUZZ_HELPERS) $(TEST_ARCHIVES)
	@echo "  LINK  tests/fuzz/$*"
	$(Q)$(CC) $(TEST_CFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(ALL_LDFLAGS) $(call pkg_libs,$(TEST_LIBS))

EXTRA_umockdev_bench = $(call pkg_cflags,umockdev-1.0 glib-2.0)
EXTRA_umockdev_node  = $(EXTRA_umockdev_bench)
EXTRA_umockdev_tty   = $(EXTRA_umockdev_bench)

$(B)/tests/bench-umockdev: $(B)/tests/emu/umockdev_bench.o $(B)/tests/emu/umockdev_node.o $(B)/tests/emu/umockdev_tty.o $(EMU_CORE) $(TEST_ARCHIVES)
	@echo "  LINK  $(@F)"
	$(Q)$(CC) $(TEST_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) $(call pkg_libs,umockdev-1.0 glib-2.0 $(TEST_LIBS) $(EMU_LIBS))

$(B)/tests/bench-vhci: $(B)/tests/emu/vhci_bench.o $(EMU_CORE) $(TEST_ARCHIVES)
	@echo "  LINK  $(@F)"
	$(Q)$(CC) $(TEST_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) -pthread $(call pkg_libs,$(TEST_LIBS) $(EMU_LIBS))

# Programs that only measure.
$(FIGURES): $(B)/tests/bench-%: $(B)/tests/bench/%_bench.o $(B)/tests/bench/figures.o $(FUZZ_HELPERS) $(TEST_ARCHIVES)
	@echo "  LINK  $(@F)"
	$(Q)$(CC) $(TEST_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) $(call pkg_libs,$(TEST_LIBS))

$(B)/tests/fast_clock.so: tests/stories/fast_clock.c
	@mkdir -p $(@D)
	@echo "  LINK  $(@F)"
	$(Q)$(CC) $(TEST_CFLAGS) -fPIC -shared -o $@ $<

# Firmware of every kind, and the truth about each file in manifest.json (see tests/images/table.py).
IMAGE_SOURCES := $(addprefix tests/images/,build boot2.c containers.py deployer.c dictionary.py firmware.c \
	firmware.h katapult.c link.lds.in linux.c modules.py plain.c startup.c table.py widget.c)

$(B)/images/manifest.json: $(IMAGE_SOURCES)
	@echo "  IMAGES"
	$(Q)tests/images/build $(@D)

.PHONY: test-images
test-images: $(B)/images/manifest.json

# Firmware of others, from the npm registry; never committed.
$(B)/foreign/manifest.json: tests/images/fetch-foreign tests/images/readers.py
	@echo "  FETCH foreign images"
	$(Q)tests/images/fetch-foreign $(@D)

.PHONY: foreign-images
foreign-images: $(B)/foreign/manifest.json

.PHONY: test-programs
test-programs: all $(UNIT_TESTS) $(REPLAYS) $(BENCHES) $(B)/tests/fast_clock.so

# The tests that include nothing above base and model: linked to these two only, so that they can be
# built, and emulated, for any processor.
CROSS_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/cross/%,$(shell grep -LE \
	'#include (<sys/socket.h>|"((port|backend|worker|daemon|client|emu)/|unit/(emu_talker|emu_stm32_talker|emu_katapult_talker|emu_rp2350_talker|history_story|store_story|picoboot_story|dfu_story|katapult_story)))' \
	tests/unit/test_*.c))
CROSS_ARCHIVES := $(B)/tests/unit/make_image.o $(B)/tests/unit/make_arm.o $(B)/tests/unit/fitness_story.o $(B)/libmodel.a $(B)/libbase.a

$(B)/tests/cross/%: $(B)/tests/unit/%.o $(CROSS_ARCHIVES)
	@mkdir -p $(@D)
	@echo "  LINK  tests/cross/$*"
	$(Q)$(CC) $(TEST_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) $(call pkg_libs,cmocka libcjson libcrypto zlib)

.PHONY: cross-tests
cross-tests: $(CROSS_TESTS)

# The Debian package, made and tried (see tests/deb).
.PHONY: check-deb
check-deb:
	$(Q)tests/install-packages build deb
	$(Q)B=$(B) tests/run deb

# Firmware that others published, fetched by its digest (not offline; see tests/images).
.PHONY: check-foreign
check-foreign: all foreign-images
	$(Q)tests/images/check $(B)/foreign -- $(B)/plugflash inspect {} --json

# Other processors: 32 bits, another byte order (see tests/cross).
.PHONY: check-cross
check-cross:
	$(Q)tests/install-packages build cross
	$(Q)B=$(B) tests/run cross

.PHONY: law
law:
	$(Q)tests/law $(foreach floor,$(FLOORS),"$(floor):$(MAY_$(floor))")

.PHONY: check
check: test-programs test-images
	$(Q)B=$(B) tests/run law unit images fuzz units stories

.PHONY: check-all
check-all:
	$(Q)tests/install-packages build demo test cross deb vm
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror test-programs test-images
	$(Q)PLUGFLASH_KILLS=$${PLUGFLASH_KILLS:-30} COMPILERS=clang B=$(B) tests/run law unit images fuzz units stories valgrind warnings sanitized cross deb vm

.PHONY: demo
demo:
	$(Q)tests/install-packages build demo
	$(Q)$(MAKE) --no-print-directory all $(B)/tests/bench-umockdev
	$(Q)B=$(B) tests/stories/on-umockdev tests/stories/demo

# The same tests under the sanitizers, in a tree of their own; the real programs too.
.PHONY: check-sanitized
check-sanitized: test-images
	$(Q)$(MAKE) --no-print-directory B=$(B)/sanitized CFLAGS="-O1 -g" \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined" test-programs
	$(Q)ln -sfn ../images $(B)/sanitized/images
	$(Q)B=$(B)/sanitized tests/run unit images fuzz

# Both compilers, every warning an error. `make check-all` has built with gcc like this already.
COMPILERS ?= gcc clang
.PHONY: check-warnings
check-warnings:
	$(Q)for compiler in $(COMPILERS); do \
		$(MAKE) --no-print-directory B=$(B)/$$compiler CC=$$compiler WERROR=-Werror test-programs \
		|| exit 1; done

# Bars that hold on a desk machine that does nothing else; the history's file is made on the disk that
# the tree is on. The last one takes five minutes, at the pace of real flash.
.PHONY: bench
bench: $(FIGURES) all $(B)/tests/bench-umockdev test-images
	$(Q)$(B)/tests/bench-policy
	$(Q)$(B)/tests/bench-image
	$(Q)$(B)/tests/bench-store
	$(Q)$(B)/tests/bench-inspect $(B)/plugflash
	$(Q)$(B)/tests/bench-history $(B)
	$(Q)B=$(B) tests/stories/on-umockdev tests/bench/dfu

# make fuzz FOR=60: every target for that many seconds, its corpus as the seed; make fuzz RUNS=1000000:
# each with that many inputs.
FOR ?= 60
RUNS ?=
.PHONY: fuzz
fuzz:
	$(Q)$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang CFLAGS="-O1 -g" \
		SANITIZE="-fsanitize=address,undefined,fuzzer-no-link" \
		$(TEST_ARCHIVES:$(B)/%=$(B)/fuzz/%) $(FUZZERS:%=$(B)/fuzz/tests/fuzz/%.o) \
		$(patsubst $(B)/%,$(B)/fuzz/%,$(FUZZ_HELPERS) $(HELPERS_fuzz_dfu_visit) \
		$(HELPERS_fuzz_katapult_visit))
	$(Q)for target in $(FUZZERS); do \
		case $$target in \
		fuzz_dfu_visit) helpers="$(HELPERS_fuzz_dfu_visit:$(B)/%=$(B)/fuzz/%)" ;; \
		fuzz_katapult_visit) helpers="$(HELPERS_fuzz_katapult_visit:$(B)/%=$(B)/fuzz/%)" ;; \
		*) helpers= ;; esac; \
		clang -fsanitize=address,undefined,fuzzer -o $(B)/fuzz/$$target \
			$(B)/fuzz/tests/fuzz/$$target.o $$helpers $(FUZZ_HELPERS:$(B)/%=$(B)/fuzz/%) \
			$(TEST_ARCHIVES:$(B)/%=$(B)/fuzz/%) \
			$(call pkg_libs,$(TEST_LIBS)) && \
		mkdir -p $(B)/fuzz/found/$$target && \
		$(B)/fuzz/$$target $(if $(RUNS),-runs=$(RUNS),-max_total_time=$(FOR)) -print_final_stats=1 -artifact_prefix=$(B)/fuzz/ \
			$(B)/fuzz/found/$$target tests/fuzz/corpus/$${target#fuzz_} || exit 1; done
