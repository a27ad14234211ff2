# Fuzz targets; included by the Makefile. See test/fuzz/fuzz.h.
#
#   make fuzz                    each target for FUZZ_SECONDS under clang's libFuzzer
#   make fuzz FUZZ=session FUZZ_SECONDS=600
#
# What libFuzzer finds interesting is kept in build/fuzz/corpus/<target>, and
# an input that fails in build/fuzz/failed-<target>-*.

FUZZ_SECONDS ?= 10
FUZZ_ALL := $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ ?= $(FUZZ_ALL)
FUZZ_B := build/fuzz
FUZZ_HELP := $(B)/test/fuzz/common.o $(B)/test/fuzz/use_core.o \
	$(B)/test/support/debugcase.o $(B)/test/support/corewriter.o
FUZZ_SEEDS := $(B)/test/fuzz/seeds.o $(B)/test/support/corewriter.o \
	$(B)/test/support/dwarfwriter.o $(B)/test/support/hostile_dwarf.o
FUZZ_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out %/malloc_seed.c,$(wildcard test/fuzz/*.c)))

.PHONY: fuzz-replay fuzz-targets fuzz-run

$(FUZZ_OBJ): ALL_CFLAGS += -Itest
-include $(FUZZ_OBJ:.o=.d)

# Without clang: files and fixed mutations, see replay.c.
fuzz-replay: $(FUZZ_ALL:%=$(B)/test/fuzz/replay_%) $(B)/test/fuzz/seeds

$(B)/test/fuzz/replay_%: $(B)/test/fuzz/fuzz_%.o $(B)/test/fuzz/replay.o $(FUZZ_HELP) \
		$(B)/libcoreheap.a
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/test/fuzz/seeds: $(FUZZ_SEEDS)
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# With it.
fuzz-targets: $(FUZZ_ALL:%=$(B)/test/fuzz/fuzz_%) $(B)/test/fuzz/seeds

$(B)/test/fuzz/fuzz_%: $(B)/test/fuzz/fuzz_%.o $(FUZZ_HELP) $(B)/libcoreheap.a
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

fuzz: deps deps-lint
	+@$(SUBMAKE) B=$(FUZZ_B) CC=clang SAN=fuzzer-no-link,address,undefined fuzz-targets
	@$(FUZZ_B)/test/fuzz/seeds $(FUZZ_B)/seeds
	@set -e; for t in $(FUZZ); do \
		echo "  FUZZ   $$t"; \
		mkdir -p $(FUZZ_B)/corpus/$$t; \
		$(FUZZ_B)/test/fuzz/fuzz_$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
			-rss_limit_mb=2048 -max_len=2000000 -print_final_stats=1 \
			-artifact_prefix=$(FUZZ_B)/failed-$$t- $(FUZZ_B)/corpus/$$t \
			$(FUZZ_B)/seeds/$$t > $(FUZZ_B)/$$t.log 2>&1 || \
			{ tail -n 60 $(FUZZ_B)/$$t.log; exit 1; }; \
		grep -E 'number_of_executed|cov:' $(FUZZ_B)/$$t.log | tail -n 2; \
	done
