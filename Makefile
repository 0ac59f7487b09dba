# SPDX-License-Identifier: ISC
# `make help` lists the targets. Object trees are build/<target>-<mode>/; sources are found by folder, so
# a new file needs no edit here. Third-party libraries: third_party/build.
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
# Whole lines per file while compiling; what tests and the running appliance say comes at once.
SYNC := --output-sync=target
MAKEFLAGS += --no-builtin-rules --no-print-directory

CC    := gcc
TARGET ?= virt# of `make run`

MODES := unix-rel unix-asan virt-rel
ALL_MODES := $(MODES) unix-fuzz
comma := ,
target_of = $(firstword $(subst -, ,$1))

# ---- sources, by module ----
# main.c of a service, of identity/ and of provisioner/ is its program; all else goes into the module's library.
files = $(sort $(wildcard $(foreach d,$1,$d/*.c $d/*.S)))
LIBS := os store identity sync dav control mail calendar contacts hello provisioner
SERVICES := $(patsubst services/%/main.c,%,$(wildcard services/*/main.c))
folder_of = $(if $(filter $1,os store identity sync provisioner),$1,services/$1)
os_common := os os/net os/tls os/http
os_unix   := $(os_common) os/net/socket $(shell find os/platform/unix -type d 2>/dev/null)
os_virt   := $(os_common) os/net/lwip os/libc $(shell find os/platform/virt -type d 2>/dev/null)
# $(call sources,LIB,TARGET)
sources = $(if $(filter os,$1),$(call files,$(os_$2)),$(filter-out %/main.c,\
	$(call files,$(shell find $(call folder_of,$1) -type d 2>/dev/null))))
# What a library links to, itself first; only what exists.
needs_of = $(foreach l,$1 $(used_by.$1) $(filter-out $1,dav control sync identity store os),$(if $(src.$l.unix),$l))
# The command opens the disk of a stopped service and speaks of it as the service does.
used_by.provisioner := mail calendar contacts
$(foreach l,$(LIBS),$(foreach t,unix virt,$(eval src.$l.$t := $(call sources,$l,$t))))
src.provisioner.virt := # a host program

# ---- flags ----
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wpointer-arith \
	-Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -fno-common
FRAME := -Wframe-larger-than=1024
BASE := -std=gnu17 -D_GNU_SOURCE -I. -g -ffunction-sections -fdata-sections $(WARN)
cflags.unix-rel  := $(BASE) $(FRAME) -O2 -fno-omit-frame-pointer -isystem build/tp/unix/include
cflags.unix-asan := $(BASE) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -isystem build/tp/unix/include
cflags.unix-fuzz := $(BASE) -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
	-isystem build/tp/unix/include
# Administration and merges: in an image their bytes count more than their time.
COLD := identity/% services/control/% $(addprefix store/,horizon% index% keeper% merge% open% pin% rebuild% shallow% super% sweep% verify%) \
	$(addprefix services/dav/,about% appliance% copy% edit% intake% make% merge% options% outgo% page% principal% \
	props_set% push% rejected% restore% words%)
cflags.virt-rel  := $(BASE) $(FRAME) -Os $(shell cat third_party/virt.cflags) -nostdinc \
	-isystem build/tp/virt/include -isystem $(shell $(CC) -print-file-name=include 2>/dev/null)
TP_LIBS := -lgit2 -lz -ldeflate -llmdb -lmbedtls -lsodium -ljansson -lical -lexpat -ltzdata
UNIX_LIBS := -Lbuild/tp/unix/lib $(TP_LIBS) -llwip
ldflags.unix-rel  := -g
# Not for unit tests: nothing refers to Criterion's sections.
GC := -Wl,--gc-sections
ldflags.unix-asan := -g -fsanitize=address,undefined
ldflags.unix-fuzz := -g -fsanitize=fuzzer,address,undefined
cc = $(if $(filter unix-fuzz,$(mode)),clang-19,$(CC))
VIRT_LDFLAGS := -static -nostdlib -no-pie -Wl,-T,os/platform/virt/link.ld -Wl,--gc-sections \
	-Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack
VIRT_LIBS := -Lbuild/tp/virt/lib $(TP_LIBS) -llwip -lc -lgcc
# os/platform/virt may add flags, and a script that makes from a linked image the assembler source of its
# symbol table, which a second link then includes: VIRT_SYMTAB := program, run as `program IMAGE >OUT.S`.
-include os/platform/virt/link.mk

# ---- what `all` builds ----
unix_programs := $(if $(src.os.unix),$(SERVICES:%=build/unix-rel/%) $(if $(wildcard provisioner/main.c),build/allod))
virt_programs := $(if $(wildcard os/platform/virt/link.ld),$(SERVICES:%=build/virt-rel/%.img))
archives := $(foreach m,$(MODES),$(foreach l,$(LIBS),$(if $(src.$l.$(call target_of,$m)),build/$m/lib$l.a)))
not_units := boot e2e fuzz fake mutants tools
test_modules := $(filter-out $(not_units),$(patsubst tests/%/,%,$(sort $(dir $(wildcard tests/*/*.c)))))
fuzz_names := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
boot_cases := $(sort $(patsubst tests/boot/%/,%,$(dir $(wildcard tests/boot/*/*.c))))
unit_tests := $(foreach m,unix-rel unix-asan,$(addprefix build/$m/tests/,$(test_modules)))
fuzz_tests := $(addprefix build/unix-asan/,$(fuzz_names))
boot_tests := $(boot_cases:%=build/virt-rel/boot/%.img)

.PHONY: all programs tests help setup build run check soak fuzz bench size format lint gdb deps-update clean
help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## /\1|/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r name words; do printf '%-12s %s\n' "$$name" "$$words"; done

all: programs $(archives) compile_commands.json
programs: $(unix_programs) $(virt_programs)
tests: all $(unit_tests) $(fuzz_tests) $(boot_tests)

# ---- rules, by mode ----
tp_ours := $(wildcard third_party/build third_party/lock third_party/virt.cflags third_party/recipes/* \
	third_party/libgit2/* third_party/libical/* os/libc/syscall_arch.h store/lmdb_shim.h os/tls/mbedtls_config.h os/tls/gcm_alt.h os/net/lwip/*.h os/net/lwip/arch/*.h)
$(foreach t,unix virt,$(if $(wildcard build/tp/$t/done),,$(shell rm -f build/tp/$t.ok)))
# The '+' keeps make from holding back until the end what is said about minutes of work.
build/tp/%.ok: $(tp_ours)
	+@third_party/build $*
	@touch $@
build/tp/%.stamp: build/tp/%.ok
	@:

# Warnings stay beside the object: `make check` fails on any, without compiling everything a second time.
define compile
@mkdir -p $(@D)
@echo "  CC $@"
@if ! $(cc) $(cflags.$(mode)) $(if $(filter virt-rel,$(mode)),$(if $(filter $(COLD),$<),-Oz)) $(if $(filter tests/%,$<),-Wno-frame-larger-than) -MMD -MP -MF $(@:.o=.d) -c -o $@ $< 2>$@.warn; then \
	cat $@.warn >&2; rm -f $@.warn; exit 1; fi
@if [ -s $@.warn ]; then cat $@.warn >&2; else rm -f $@.warn; fi
endef

define mode_rules
build/$1/%: mode := $1
# A change of flags rebuilds the tree.
$(shell mkdir -p build/$1; f='$(cflags.$1)'; [ "$$(cat build/$1/flags 2>/dev/null)" = "$$f" ] || echo "$$f" >build/$1/flags)
build/$1/obj/%.o: %.c build/$1/flags build/tp/$(call target_of,$1).stamp
	$$(compile)
build/$1/obj/%.o: %.S build/$1/flags
	$$(compile)
$(foreach l,$(LIBS),$(call library_rule,$1,$l,$(src.$l.$(call target_of,$1))))
endef
obj = $(patsubst %,build/$1/obj/%.o,$(basename $2))
define library_rule
build/$1/lib$2.a: $(call obj,$1,$3)
	@rm -f $$@; ar rcsD $$@ $$^
# A file that went away must leave the archive too.
build/$1/lib$2.a: $(call listing,$1,$2,$3)

endef
listing = $(shell f=build/$1/$2.list; [ "$$(cat $$f 2>/dev/null)" = "$3" ] || echo "$3" >$$f)build/$1/$2.list
libs = $(foreach l,$(call needs_of,$2),build/$1/lib$l.a)
group = -Wl,--start-group $(filter %.a,$^) $1 -Wl,--end-group
$(foreach m,$(ALL_MODES),$(eval $(call mode_rules,$m)))

link_unix = @mkdir -p $(@D); echo "  LD $@"; $(cc) $(ldflags.$(mode)) -o $@ $(filter %.o,$^) $(call group,$(UNIX_LIBS)) $1
link_virt = $(CC) $(VIRT_LDFLAGS) -Wl,-Map=$@.map -o $@ $(filter %.o,$^) $1 $(call group,$(VIRT_LIBS))
define virt_image
@mkdir -p $(@D)
@echo "  LD $@"
@$(link_virt)
$(if $(VIRT_SYMTAB),@$(VIRT_SYMTAB) $@ >$@.symtab.S && $(CC) $(cflags.virt-rel) -c -o $@.symtab.o $@.symtab.S && \
	$(call link_virt,$@.symtab.o))
endef
build/virt-rel/%.img: build/virt-rel/%.elf
	@strip -o $@ $<

define service_rules
build/unix-rel/$1: build/unix-rel/obj/services/$1/main.o $(call libs,unix-rel,$1)
	$$(call link_unix,$$(GC))
build/unix-asan/$1: build/unix-asan/obj/services/$1/main.o $(call libs,unix-asan,$1)
	$$(call link_unix,$$(GC))
build/virt-rel/$1.elf: build/virt-rel/obj/services/$1/main.o $(call libs,virt-rel,$1) $(wildcard os/platform/virt/link.*)
	$$(virt_image)
endef
$(foreach s,$(SERVICES),$(eval $(call service_rules,$s)))

build/unix-rel/allod: build/unix-rel/obj/provisioner/main.o $(call libs,unix-rel,provisioner)
	$(call link_unix,$(GC))
# What bench/ measures in C; the peer's library comes with the packages of `make bench`.
build/unix-rel/bench/store: $(call obj,unix-rel,$(wildcard bench/*.c)) $(call libs,unix-rel,store)
	$(call link_unix,$(GC) -lsqlite3)
build/allod: build/unix-rel/allod
	@ln -f $< $@

# ---- tests: one Criterion program per module, one plain program per fuzz target, one image per boot case ----
# Criterion brings a libgit2 of its own: it stands last, and ours is hidden from it.
unit_common := tests/unit_main.c $(wildcard tests/fake/*.c)
# tests/lwip is a unix program over our own TCP/IP stack: its objects stand before those of the host's sockets.
unit_extra.lwip := $(wildcard os/net/lwip/*.c)
unit_extra.calendar := tests/dav/rig.c
unit_extra.contacts := tests/dav/rig.c
define unit_rules
build/$1/tests/$2: $(call obj,$1,$(wildcard tests/$2/*.c) $(unit_common) $(unit_extra.$2)) $(call libs,$1,$2)
	$$(call link_unix,-Wl$$(comma)--exclude-libs$$(comma)ALL -lcriterion)
endef
$(foreach m,unix-rel unix-asan,$(foreach t,$(test_modules),$(eval $(call unit_rules,$m,$t))))
fuzz_libs = $(foreach l,$(LIBS),$(if $(src.$l.unix),build/$1/lib$l.a))
build/unix-asan/fuzz_%: build/unix-asan/obj/tests/fuzz/fuzz_%.o build/unix-asan/obj/tests/fuzz/main.o $(call fuzz_libs,unix-asan)
	$(call link_unix,$(GC))
build/unix-fuzz/fuzz_%: build/unix-fuzz/obj/tests/fuzz/fuzz_%.o $(call fuzz_libs,unix-fuzz)
	$(call link_unix,$(GC))
define boot_rule
build/virt-rel/boot/$1.elf: $(call obj,virt-rel,$(wildcard tests/boot/$1/*.c)) $(call libs,virt-rel,store) $(wildcard os/platform/virt/link.*)
	$$(virt_image)
endef
$(foreach c,$(boot_cases),$(eval $(call boot_rule,$c)))

# ---- what people type ----
setup: ## install the Debian packages and fetch the sources that are missing
	@third_party/setup check
	@third_party/fetch >/dev/null

build: ## build both targets and the allod command
	@third_party/setup build
	@$(MAKE) $(SYNC) programs

# make itself would die of the signal that stops what it runs, and it is to end with its exit status.
ifneq ($(and $(filter run,$(MAKECMDGOALS)),$(filter load,$(.FEATURES))),)
-include build/tools/make_signals.mk
build/tools/make_signals.mk: tests/tools/make_signals.c
	@third_party/setup run
	@mkdir -p $(@D); $(CC) -shared -fPIC -o $(@:.mk=.so) $< && echo 'load $(@:.mk=.so)(make_signals)' >$@
endif

run: ## start mail, calendar and contacts (TARGET=virt or unix) and say how to use them
	@third_party/setup run
	@$(MAKE) $(SYNC) programs
	@exec build/allod run --target $(TARGET) alice@example.org

check: ## build and test everything; the last line is `N passed, M failed`
	@third_party/setup check
	@$(MAKE) $(SYNC) tests
	@tests/run

soak: ## the long tests: kills, power cuts, ten thousand connections, Evolution
	@third_party/setup soak
	@$(MAKE) $(SYNC) tests
	@tests/run soak

fuzz: ## libFuzzer on every parser, FUZZ_SEC seconds each (60); finds go to build/fuzz
	@third_party/setup fuzz
	@$(MAKE) $(SYNC) $(fuzz_names:%=build/unix-fuzz/%)
	@for f in $(fuzz_names:fuzz_%=%); do mkdir -p build/fuzz/$$f; echo "fuzz $$f"; build/unix-fuzz/fuzz_$$f -verbosity=0 \
		-print_final_stats=1 -max_total_time=$(or $(FUZZ_SEC),60) -artifact_prefix=build/fuzz/$$f- \
		build/fuzz/$$f tests/fuzz/seeds/$$f; done

bench: ## benchmarks against named peers (BENCH=boot, mail, store, git or dav: only that)
	@third_party/setup bench
	@$(MAKE) $(SYNC) all build/unix-rel/bench/store
	@bench/run $(BENCH)

size: ## name and bytes of each stripped image (OF=mail: of its libraries; OF=mail LIB=store: of that one's functions)
	@$(MAKE) $(SYNC) $(virt_programs) >&2
ifdef OF
	@tests/tools/size build/virt-rel/$(OF).elf.map $(LIB)
else
	@for f in $(virt_programs); do echo "$$(basename $$f .img) $$(stat -c %s $$f)"; done
endif

format: ## lay out our C as .clang-format says
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format-19 -i

lint: compile_commands.json ## clang-tidy, cppcheck, include rules
	@tests/tools/lint

gdb: ## attach gdb to the running appliance APP (mail)
	@tests/tools/gdb $(or $(APP),mail)

deps-update: ## propose newer versions for third_party/lock
	@third_party/update

clean: ## remove what was built; the cache of sources and libraries stays
	rm -rf build compile_commands.json

# ---- compile_commands.json, from the same lists and flags ----
compdb_entry = {"directory":"$(CURDIR)","file":"$2","arguments":["$(CC)",$(foreach f,$(cflags.$1),"$f",)"-c","$2"]}
compdb_sources = $(foreach l,$(LIBS),$(filter %.c,$(src.$l.unix))) $(patsubst %,services/%/main.c,$(SERVICES)) \
	$(wildcard provisioner/main.c tests/*.c tests/fake/*.c tests/fuzz/*.c) $(foreach t,$(test_modules),$(wildcard tests/$t/*.c))
compdb_virt = $(filter-out $(src.os.unix),$(filter %.c,$(src.os.virt))) $(wildcard tests/boot/*/*.c)
define newline


endef
# Through make's own $(file): too long for a command line.
compile_commands.json: Makefile $(sort $(compdb_sources) $(compdb_virt))
	$(file >$@,[$(subst }$(newline) {,}$(comma)$(newline) {,$(foreach f,$(sort $(compdb_sources)),$(call \
		compdb_entry,unix-rel,$f)$(newline)) $(foreach f,$(compdb_virt),$(call compdb_entry,virt-rel,$f)$(newline)))])
	@:

-include $(shell find build -name '*.d' 2>/dev/null)
