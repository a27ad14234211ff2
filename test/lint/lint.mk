# What `make lint` does; included by the Makefile. Each check is a target of
# its own: lint-format, lint-layering, lint-sizes, lint-text, lint-gcc,
# lint-clang, lint-tidy, lint-symbols, lint-circles.

LINT_SRC := $(LIB_SRC) $(APP_SRC)
LINT_TEST_SRC := $(sort $(wildcard test/unit/*.c test/support/*.c test/schemas/*.c test/debug/*.c test/fuzz/*.c))
LINT_CHECKS := format layering sizes text gcc clang tidy symbols circles
LINT_JOBS ?= $(shell nproc)
# Beside the normal build if that one does not treat warnings as errors.
LINT_B := $(if $(filter 1,$(WERROR)),$(if $(SAN),build/lint,$(B)),build/lint)
LINT_MAKE = $(MAKE) --no-print-directory B=$(LINT_B) WERROR=1 SAN=

.PHONY: lint-gen $(addprefix lint-,$(LINT_CHECKS))

# The flags of libraries are asked for again after they were installed.
lint: deps deps-lint
	+@$(SUBMAKE) $(addprefix lint-,$(LINT_CHECKS))
	@echo '  LINT   passed'

lint-format:
	@echo '  LINT   format'
	$(Q)find src include test fixtures -name '*.[ch]' | sort | \
		xargs clang-format --dry-run -Werror

lint-layering:
	@echo '  LINT   layering'
	$(Q)test/lint/layering.sh

lint-sizes:
	@echo '  LINT   sizes'
	$(Q)test/lint/sizes.sh src include test

lint-text:
	@echo '  LINT   text'
	$(Q)test/lint/text.sh

# Once, before those that read it: each make would write the same temporary files.
lint-gen:
	+$(Q)$(LINT_MAKE) $(LINT_GEN)

lint-gcc: lint-gen
	@echo '  LINT   gcc'
	+$(Q)$(LINT_MAKE) check-build fuzz-replay
	$(Q)$(CC) $(ALL_CFLAGS) -UCH_CAPSTONE -Werror -fsyntax-only src/analysis/decode.c

lint-symbols: lint-gcc
	@echo '  LINT   symbols'
	$(Q)PYTHONDONTWRITEBYTECODE=1 test/lint/symbols.py $(LINT_B)

lint-circles: lint-gcc
	@echo '  LINT   circles'
	$(Q)test/lint/circles.py $(LINT_B)

# Flags for tools that read the sources with clang.
LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -include src/util/banned.h \
	-Iinclude -Isrc -Itest -I$(LINT_B)/gen $(shell pkg-config --cflags $(PKGS) check 2> /dev/null)
LINT_GEN = $(LINT_B)/gen/walkers.inc $(LINT_B)/gen/providers.inc $(LINT_B)/gen/cmds.inc $(LINT_B)/gen/documents.inc \
	 $(LINT_B)/gen/suites.inc
LINT_WARN = $(filter-out -Wimplicit-fallthrough=5 -Wlogical-op -Wduplicated-% \
	-Wformat-signedness -Wstack-usage=%,$(WARN)) -Wimplicit-fallthrough -Werror

lint-clang: lint-gen
	@echo '  LINT   clang'
	$(Q)printf '%s\n' $(LINT_SRC) | xargs -P$(LINT_JOBS) -I{} \
		clang -fsyntax-only $(LINT_WARN) $(LINT_FLAGS) {}
	$(Q)printf '%s\n' $(LINT_TEST_SRC) | xargs -P$(LINT_JOBS) -I{} \
		clang -fsyntax-only $(LINT_WARN) $(LINT_FLAGS) -Wno-missing-prototypes {}

# The checks are in .clang-tidy.
lint-tidy: lint-gen
	@echo '  LINT   tidy'
	$(Q)printf '%s\n' $(LINT_SRC) | xargs -P$(LINT_JOBS) -I{} sh -c \
		'out=$$(clang-tidy --quiet "$$1" -- $(LINT_FLAGS) 2>&1) || { echo "$$out"; exit 1; }' \
		tidy {}
