# SPDX-License-Identifier: MIT
#
# plugflash: `make`, `make check` (fast, no root), `make check-all` (and a virtual machine),
# `make demo`, `make install DESTDIR=`.

# ---- the law -------------------------------------------------------------------------------------
# A floor may include the floors named here and nothing else; `make check` enforces it on every
# #include, and each floor is one archive, so that the linker agrees.

FLOORS       := base model port backend worker daemon client setup
MAY_base     := base
MAY_model    := base model
MAY_port     := base model port
MAY_backend  := base model port backend
MAY_worker   := base model port backend worker
MAY_daemon   := base model daemon
MAY_client   := base model client
MAY_setup    := base model port daemon setup

# program: its floors, topmost first, and the libraries that it may link
PROGRAMS                  := plugflashd plugflash-worker plugflash plugflash-can
FLOORS_plugflashd         := daemon model base
LIBS_plugflashd           := libudev libsystemd libconfig libcjson libcrypto sqlite3 zlib
FLOORS_plugflash-worker   := worker backend port model base
LIBS_plugflash-worker     := libusb-1.0 libsocketcan libsystemd libcjson libcrypto zlib
FLOORS_plugflash          := client model base
LIBS_plugflash            := libsystemd libcjson libcrypto zlib
FLOORS_plugflash-can      := setup daemon port model base
LIBS_plugflash-can        := libsocketcan libconfig libcjson libcrypto zlib

# ---- settings ------------------------------------------------------------------------------------

VERSION    ?= 0.1
B          ?= build
PREFIX     ?= /usr
SYSCONFDIR ?= /etc
DESTDIR    ?=
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g
ifeq ($(V),)
Q := @
endif

# empty when a library is missing: `make` then says which, `make deps` fetches it
pkg_cflags = $(shell $(PKG_CONFIG) --cflags $(1))
pkg_libs   = $(shell $(PKG_CONFIG) --libs $(1))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion \
	-Wno-sign-conversion -Wpointer-arith -Wvla -Wundef -Wcast-align -Werror=implicit \
	-Werror=incompatible-pointer-types -Werror=int-conversion $(WERROR)
# What this compiler does not know is left out (clang 14: -ftrivial-auto-var-init=zero).
if_known = $(shell $(CC) $(1) -Werror -E -x c /dev/null >/dev/null 2>&1 && echo "$(1)")
HARDEN   := -fstack-protector-strong -fPIE $(call if_known,-ftrivial-auto-var-init=zero)
ALL_CFLAGS := -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DVERSION='"$(VERSION)"' \
	-Iagent $(WARNINGS) $(HARDEN) $(CFLAGS) $(SANITIZE)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) $(SANITIZE)

# ---- programs ------------------------------------------------------------------------------------

.PHONY: all
all: $(PROGRAMS:%=$(B)/%)

# One main.c a roof; everything else of a floor goes into its archive, so that tests can link it.
roof_of = $(firstword $(FLOORS_$(1)))

define floor_rules
SOURCES_$(1) := $$(sort $$(wildcard agent/$(1)/*.c))
OBJECTS_$(1) := $$(patsubst agent/%.c,$(B)/obj/%.o,$$(filter-out %/main.c,$$(SOURCES_$(1))))
$(B)/lib$(1).a: $$(OBJECTS_$(1))
	@mkdir -p $$(@D); rm -f $$@
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach floor,$(FLOORS),$(eval $(call floor_rules,$(floor))))

define program_rules
$(B)/$(1): $(B)/obj/$(call roof_of,$(1))/main.o $(FLOORS_$(1):%=$(B)/lib%.a)
	@echo "  LINK  $(1)"
	$(Q)$(CC) $$(ALL_CFLAGS) -o $$@ $$^ $$(ALL_LDFLAGS) $$(call pkg_libs,$(LIBS_$(1)))
endef
$(foreach program,$(PROGRAMS),$(eval $(call program_rules,$(program))))

$(B)/obj/%.o: agent/%.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $*"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)

# ---- tests ---------------------------------------------------------------------------------------

include tests/tests.mk

# ---- install -------------------------------------------------------------------------------------

-include units/install.mk

.PHONY: clean
clean:
	rm -rf $(B)

.PHONY: format
format:
	$(Q)clang-format -i $$(git ls-files 'agent/*.[ch]' 'tests/*.[ch]')
