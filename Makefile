# One Makefile, no configure. Each folder describes itself in a module.mk:
#     SRCS := a.c b.c        sources of the folder that make up its archive
#     USES := lib/base ...   folders whose headers it includes: those and no others (scripts/lint holds it to that)
#     TEST_USES := ...       optional: more that its unit tests link
#     PKGS := libcurl ...    pkg-config packages that it needs
#     LIBS := -llmdb ...     libraries without a .pc file
#     PROGRAM := poa-x       optional: a program (one under tests/ is made by its name only, not by `make`), and
#     MAIN := main.c         the source that holds its main()
#     DATA := x.def          optional: files that objects depend on but that are no headers
# `make` builds all programs in release form. PROFILE=release|asan|tsan|cov|debug|fuzz; B=DIR builds elsewhere; V=1 shows commands.
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

PROFILE ?= release
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
AR := $(if $(filter default undefined,$(origin AR)),ar,$(AR))
B ?= build/$(PROFILE)
Q := $(if $(V),,@)

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
  -Wimplicit-fallthrough -Wswitch-enum -Wundef -Wwrite-strings -Werror
CPPFLAGS := -I. -D_GNU_SOURCE
CFLAGS_release := -O2 -g1 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS_debug := -O0 -g -fPIE
CFLAGS_o3 := -O3 -g1 -fPIE
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fPIE
CFLAGS_tsan := -O1 -g -fsanitize=thread -fPIE
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fPIE
CFLAGS_cov := -O0 -g --coverage -fPIE
CFLAGS := -std=gnu17 -fno-common -fno-strict-aliasing -ffunction-sections -fdata-sections $(WARN) $(CFLAGS_$(PROFILE)) $(EXTRA_CFLAGS)
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
LDFLAGS_debug := -pie
LDFLAGS_o3 := -pie
LDFLAGS_asan := -fsanitize=address,undefined -pie
LDFLAGS_tsan := -fsanitize=thread -pie
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined -pie
LDFLAGS_cov := --coverage -pie
LDFLAGS := -Wl,--gc-sections -Wl,--as-needed $(LDFLAGS_$(PROFILE))

MODULES := $(patsubst ./%/module.mk,%,$(shell find . -name module.mk -not -path './build/*' -not -path '*/node_modules/*' | sort))

# --- read every module.mk into variables named by folder -------------------------------------------------------------
define read_module
SRCS :=
USES :=
TEST_USES :=
PKGS :=
LIBS :=
PROGRAM :=
MAIN :=
DATA :=
CFLAGS_EXTRA :=
include $(1)/module.mk
srcs.$(1) := $$(addprefix $(1)/,$$(SRCS))
uses.$(1) := $$(USES)
test_uses.$(1) := $$(TEST_USES)
pkgs.$(1) := $$(PKGS)
libs.$(1) := $$(LIBS)
prog.$(1) := $$(PROGRAM)
main.$(1) := $$(addprefix $(1)/,$$(MAIN))
cext.$(1) := $$(CFLAGS_EXTRA)
objs.$(1) := $$(patsubst %.c,$$(B)/%.o,$$(srcs.$(1)))
arch.$(1) := $$(if $$(SRCS),$$(B)/$(1)/lib.a)
endef
$(foreach m,$(MODULES),$(eval $(call read_module,$(m))))

# closure(m): m and all that it uses, dependants first, so that a static link resolves in one pass
closure_step = $(foreach m,$(1),$(m) $(uses.$(m)))
uniq_last = $(if $(1),$(call uniq_last,$(filter-out $(lastword $(1)),$(1))) $(lastword $(1)))
closure_n = $(call closure_step,$(call closure_step,$(call closure_step,$(call closure_step,$(call closure_step,$(call closure_step,$(call closure_step,$(1))))))))
closure = $(sort $(call closure_n,$(1)))
pkg_cflags = $(if $(1),$(shell pkg-config --cflags $(1)))
pkg_libs = $(if $(1),$(shell pkg-config --libs $(1)))

define module_rules
$(B)/$(1)/%.o: $(1)/%.c
	@mkdir -p $$(dir $$@)
	@$$(if $$(Q),echo "  CC  $$<")
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(cext.$(1)) $$(pkgcf.$(1)) -MMD -MP -c $$< -o $$@
$(if $(arch.$(1)),$(arch.$(1)): $(objs.$(1))
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^)
pkgcf.$(1) := $$(call pkg_cflags,$$(pkgs.$(1)))
clos.$(1) := $$(call closure,$(1))
endef
$(foreach m,$(MODULES),$(eval $(call module_rules,$(m))))

# of one folder or several
closures = $(sort $(foreach m,$(1),$(clos.$(m))))
link_archs = $(foreach m,$(call closures,$(1)),$(arch.$(m)))
link_libs = $(call pkg_libs,$(sort $(foreach m,$(call closures,$(1)),$(pkgs.$(m))))) $(sort $(foreach m,$(call closures,$(1)),$(libs.$(m)))) -lm -lpthread

define program_rules
$(B)/$(prog.$(1)): $(patsubst %.c,$(B)/%.o,$(main.$(1))) $$(call link_archs,$(1))
	@$$(if $$(Q),echo "  LD  $$@")
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(call link_libs,$(1))
$(if $(filter tests/%,$(1)),,PROGRAMS += $(B)/$(prog.$(1)))
endef
$(foreach m,$(MODULES),$(if $(prog.$(m)),$(eval $(call program_rules,$(m)))))

# --- unit tests: tests/unit/<folder>/test_<x>.c links the closure of <folder> ------------------------------------------
# `make check M=node/evm` builds and runs one folder's tests.
UNIT_SRCS := $(sort $(if $(M),$(wildcard tests/unit/$(M)/test_*.c),$(shell find tests/unit -name 'test_*.c')))
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRCS))
define unit_rules
$(B)/unit/$(1)/%: tests/unit/$(1)/%.c $$(call link_archs,$(1) $(test_uses.$(1)))
	@mkdir -p $$(dir $$@)
	@$$(if $$(Q),echo "  CT  $$<")
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(cext.$(1)) $$(pkgcf.$(1)) -Wno-missing-prototypes -MMD -MP -MF $$@.d $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(call link_libs,$(1) $(test_uses.$(1))) -lcmocka
endef
$(foreach m,$(MODULES),$(eval $(call unit_rules,$(m))))

# --- fuzzers: tests/fuzz/fuzz_<x>.c; its first line names the module: /* module: lib/codec */ --------------------------
# PROFILE=fuzz (scripts/fuzz, clang) links libFuzzer's main; every other profile that of replay.c
FUZZ_MAIN := $(if $(filter fuzz,$(PROFILE)),,tests/fuzz/replay.c)
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzz_module = $(shell sed -n '1s,^/\* module: \([^ ]*\) \*/.*,\1,p' $(1))
define fuzz_rules
$(B)/fuzz/$(notdir $(basename $(1))): $(1) $$(call link_archs,$$(call fuzz_module,$(1)))
	@mkdir -p $$(dir $$@)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) -Wno-missing-prototypes -DFUZZ_REPLAY -MMD -MP -MF $$@.d $$(LDFLAGS) -o $$@ $$< $(FUZZ_MAIN) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(call link_libs,$$(call fuzz_module,$(1)))
endef
$(foreach f,$(FUZZ_SRCS),$(eval $(call fuzz_rules,$(f))))
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRCS))

.PHONY: all check unit fuzz-replay fuzz lint cov bench clean format
all: $(PROGRAMS)
unit: $(UNIT_BINS)
check: unit
	$(Q)prove $(if $(CI),,-j2) --exec scripts/tap $(UNIT_BINS)
fuzz-replay: $(FUZZ_BINS)
	$(Q)for f in $(FUZZ_BINS); do $$f tests/fuzz/corpus/$$(basename $$f) || exit 1; done
fuzz:
	$(Q)scripts/fuzz $(or $(T),30)
lint:
	$(Q)scripts/lint
bench: all
	$(Q)scripts/bench
clean:
	rm -rf build
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

-include $(shell [ -d $(B) ] && find $(B) -name '*.d')
