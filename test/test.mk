# What `make check`, `make check-fresh`, `make demo` and `make bench` do; included by the Makefile.
#
#   make check                   all tests; the last line is the totals
#   make check SAN=address,undefined
#   make check TESTS='damage'    only the test programs of these names
#   make schemas                 write docs/schema from the tables of src/report
#   make check V=1               show the output of tests that pass, too
#   make check WHOLE=1           every case of tests that else try a share of many like ones
#   make chaos                   for an hour or more: each call of a command fails once, and cores
#                                are changed for CHAOS_SECONDS
#   make bench SCALE=1           time and memory on cores of a million segments, 60,000 threads and
#                                200 GiB of hole
#   make check-fresh             demo and check in minimal systems, see test/fresh.sh
#
# CHECK_TIMEOUT is the longest one test program may run, in seconds (more with
# sanitisers), and CHECK_JOBS how many run at a time: one more than there are processors, as
# programs that start, wait and are dumped leave them idle. It is there for what never ends: on
# a busy machine everything takes many times as long as on a quiet one, and passes.

CHECK_TIMEOUT ?= $(if $(SAN),3600,1200)
CHECK_JOBS ?= $(shell expr $$(nproc) + 1)
TESTS ?=
WHOLE ?=

UNIT_SRC := $(sort $(wildcard test/unit/test_*.c) test/unit/main.c $(wildcard test/support/*.c))
UNIT_OBJ := $(UNIT_SRC:%.c=$(B)/%.o)
SUITES := $(patsubst test_%,%,$(basename $(notdir $(wildcard test/unit/test_*.c))))
SYSTEM_TESTS := $(sort $(wildcard test/system/*.sh test/system/*.py))
CHECK_LIBS = $(shell pkg-config --libs check 2>/dev/null)
# Each suite is one function that nobody declares but the generated registry.
$(UNIT_OBJ): ALL_CFLAGS += -Itest -Wno-missing-prototypes

$(B)/test/unit/main.o: $(B)/gen/suites.inc
$(B)/gen/suites.inc: FORCE
	@mkdir -p $(@D); printf 'CH_SUITE(%s)\n' $(SUITES) | sed '/()/d' > $@.tmp
	$(update)

# main.c holds the table of global options, which the commands' tests need.
$(B)/test/unit/app_main.o: src/main.c $(B)/flags
	@mkdir -p $(@D)
	@echo '  CC     $< (as coreheap_main)'
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -Dmain=coreheap_main -MMD -MP -c -o $@ $<

$(B)/test/unit/unit: $(UNIT_OBJ) $(B)/test/unit/app_main.o \
		$(filter-out $(B)/src/main.o,$(APP_OBJ)) $(B)/libcoreheap.a
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(CHECK_LIBS)

-include $(UNIT_OBJ:.o=.d) $(B)/test/unit/app_main.d

# What writes docs/schema from the tables of fields.
$(B)/test/schemas/schemas: $(B)/test/schemas/schemas.o \
		$(filter $(B)/src/render/% $(B)/src/report/%,$(APP_OBJ)) $(B)/libcoreheap.a
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

-include $(B)/test/schemas/schemas.d

# What shows debug information as the library reads it, for test/system/debug.py.
$(B)/test/debug/ctypes: $(B)/test/debug/ctypes.o $(B)/libcoreheap.a
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

-include $(B)/test/debug/ctypes.d

.PHONY: schemas
schemas: $(B)/test/schemas/schemas
	@$< docs/schema

.PHONY: chaos check-build check-run check-fresh

# make as many things at once as there are processors, unless the caller said.
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# The flags of libraries are asked for again after they were installed.
check: deps
	@[ "$$(id -u)" != 0 ] || $(MAKE) -s --no-print-directory deps-more || \
		echo "  DEPS   missing; the tests that need them are skipped"
	+@$(SUBMAKE) check-build
	@$(MAKE) --no-print-directory check-run

check-build: all $(B)/test/unit/unit $(B)/test/schemas/schemas $(B)/test/debug/ctypes fuzz-replay

CHECK_PROGRAMS = $(B)/test/unit/unit $(SYSTEM_TESTS)
check-run:
	@COREHEAP=$(abspath $(B)/coreheap) BUILD=$(abspath $(B)) CC='$(CC)' WHOLE='$(WHOLE)' \
	MAKE_SWITCHES='$(foreach v,WERROR O,$(v)=$($(v)))' CFLAGS='$(CFLAGS)' \
	ASAN_OPTIONS=exitcode=99:detect_leaks=1:allocator_may_return_null=1 \
	UBSAN_OPTIONS=exitcode=99:print_stacktrace=1 \
	CK_DEFAULT_TIMEOUT=60 CK_TIMEOUT_MULTIPLIER=10 PYTHONDONTWRITEBYTECODE=1 LC_ALL=C python3 test/run.py \
		$(if $(filter 1,$(V)),-v) --jobs $(CHECK_JOBS) --timeout $(CHECK_TIMEOUT) \
		--tmp $(B)/test/tmp $(if $(TESTS),$(foreach t,$(TESTS),\
		$(filter %/$(t) %/$(t).sh %/$(t).py,$(CHECK_PROGRAMS))),$(CHECK_PROGRAMS))

FRESH_RELEASES ?= bookworm trixie

# All allocations but those of commands that have more of them.
CHAOS ?= 2000
CHAOS_SECONDS ?= 1800

chaos: deps
	+@$(SUBMAKE) all
	@CHAOS=$(CHAOS) MUTATE_SECONDS=$(CHAOS_SECONDS) MUTATE_SEED=$$(date +%s) $(MAKE) \
		--no-print-directory check-run CHECK_TIMEOUT=86400 TESTS='nomem mutations'

check-fresh:
	@test/fresh.sh $(FRESH_RELEASES)

demo: deps
	+@$(SUBMAKE) all
	@CC='$(CC)' sh fixtures/leaky/demo.sh $(abspath $(B)/coreheap)

bench: deps
	+@$(SUBMAKE) all $(B)/test/debug/ctypes
	@COREHEAP=$(abspath $(B)/coreheap) CC='$(CC)' PYTHONDONTWRITEBYTECODE=1 \
		python3 test/bench/$(if $(SCALE),scale,bench).py
