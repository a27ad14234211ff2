# coreheap: `make demo` and `make check` are all a newcomer needs.
#
#   make            build/coreheap, build/libcoreheap.a, build/libcoreheap.so
#   make demo       install what is missing, build, dump a leaking program, analyse it
#   make check      install what is missing, build, run all tests
#   make check-fresh  the two in minimal Debian systems under build/ (as root)
#   make lint       formatting, layering, warnings as errors, no recursion
#   make bench      timings as ratios to one scan of the same file
#   make static     build/coreheap-static: one file to copy onto a host
#   make deb        a Debian package under build/deb
#   make install    DESTDIR=, prefix=, libdir=, mandir=, bashdir=, zshdir=, fishdir=
#
# Switches: V=1 (show commands), SAN=address,undefined, WERROR=1, O=3

VERSION := $(shell sed -n 's/^.define CH_VERSION "\(.*\)"/\1/p' include/coreheap/coreheap.h)
SOVERSION := 0

prefix ?= /usr/local
libdir ?= $(prefix)/lib
bindir ?= $(prefix)/bin
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
# Where the shells look for completions; that of zsh has another name in some distributions.
bashdir ?= $(datadir)/bash-completion/completions
zshdir ?= $(datadir)/zsh/site-functions
fishdir ?= $(datadir)/fish/vendor_completions.d
# What takes cores as they come, docs/HOOKS.md; nothing of it is enabled by being there.
libexecdir ?= $(prefix)/libexec
unitdir ?= $(prefix)/lib/systemd/system

# ---- Debian packages: what building, testing and the demo need -----------------
DEPS_BUILD := gcc g++ make pkg-config libelf-dev libdw-dev libjansson-dev libzstd-dev \
	liblzma-dev zlib1g-dev liblz4-dev
DEPS_TEST := check gdb zstd xz-utils lz4 gzip binutils elfutils jq python3
# For make static and make deb.
DEPS_STATIC := libbz2-dev
DEPS_DEB := dpkg-dev
# Other allocators and C libraries, a validator, a database, another processor; without them their
# tests are skipped.
DEPS_TEST_MORE := musl-tools libjemalloc-dev libmimalloc-dev libtcmalloc-minimal4 \
	python3-jsonschema sqlite3 libcapstone-dev dwz libc++-dev libc++abi-dev mandoc \
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user \
	$(DEPS_STATIC) $(DEPS_DEB)
DEPS_LINT := clang clang-format clang-tidy

PKGS := libelf libdw jansson libzstd liblzma zlib liblz4
# Disassembles what `u` is asked for; CAPSTONE=0 builds without it, as does its absence.
CAPSTONE ?= $(shell pkg-config --exists capstone 2>/dev/null && echo 1 || echo 0)
ifeq ($(CAPSTONE),1)
PKGS += capstone
CAPSTONE_CFLAGS := -DCH_CAPSTONE
endif

CC ?= gcc
O ?= 2
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

# Sanitised objects live beside the normal ones, so that switching costs nothing.
B := build$(if $(SAN),/san)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wvla -Wformat=2 -Wundef -Wwrite-strings \
	-Wcast-qual -Wnull-dereference -Wconversion -Wsign-conversion
ifneq ($(findstring clang,$(CC)),)
WARN += -Wimplicit-fallthrough
else
WARN += -Wimplicit-fallthrough=5 -Wlogical-op -Wduplicated-cond -Wduplicated-branches \
	-Wformat-signedness -Wstack-usage=65536
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif

# What a compiler can do for a program that reads files of attackers: checked buffers, guarded
# stacks, branches that lead to marked places only, tables that are read-only before main() runs.
# Sanitizers have checks of their own, and without optimisation there is no _FORTIFY_SOURCE.
ifeq ($(SAN),)
ifneq ($(O),0)
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
HARDEN += -fstack-protector-strong -fstack-clash-protection \
	$(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),-fcf-protection=full) \
	$(if $(findstring aarch64,$(shell $(CC) -dumpmachine)),-mbranch-protection=standard)
else
HARDEN := -DCH_NO_SANDBOX
endif
ALL_LDFLAGS = -Wl,-z,relro,-z,now,-z,noexecstack

CFLAGS ?= -g
ALL_CFLAGS = -std=gnu11 -O$(O) $(WARN) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -pthread -fPIC \
	-fvisibility=hidden -ffile-prefix-map=$(CURDIR)=. -include src/util/banned.h \
	-Iinclude -Isrc -I$(B)/gen $(HARDEN) $(CAPSTONE_CFLAGS) $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
# The demangler of the C++ runtime: the part of libstdc++ that needs nothing but libc, as an archive.
DEMANGLER := -l:libsupc++.a
LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(DEMANGLER) -pthread
ifneq ($(SAN),)
ALL_CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
ALL_LDFLAGS += -fsanitize=$(SAN)
endif
ALL_LDFLAGS += $(LDFLAGS)
# Failed allocations are noted: src/util/alloc.c.
NOTE_NOMEM := $(foreach f,malloc calloc realloc reallocarray strdup strndup open_memstream,-Wl,--wrap=$(f))

LIB_SRC := $(sort $(wildcard src/util/*.c src/core/*.c src/sym/*.c src/debug/*.c src/map/*.c src/heap/*.c \
	src/walkers/*.c src/walkers/*/*.c src/index/*.c src/types/*.c src/graph/*.c src/analysis/*.c))
APP_SRC := $(sort $(wildcard src/render/*.c src/report/*.c src/cmd/*.c) src/main.c)
HEADERS := $(sort $(wildcard include/coreheap/*.h))

WALKERS := $(sort $(basename $(notdir $(wildcard src/walkers/*.c))) \
	$(notdir $(patsubst %/,%,$(wildcard src/walkers/*/))))
# A provider of names is a file that exports ch_provider_<stem>.
PROVIDERS := $(shell grep -hoP '^const struct ch_provider ch_provider_\K[a-z]+' src/types/*.c | sort)
# A command is a file that exports ch_cmd_<stem>; the driver's own files do not.
CMDS := $(sort $(foreach f,$(wildcard src/cmd/*.c),$(if \
	$(shell grep -l '^const struct ch_cmd ch_cmd_' $(f)),$(basename $(notdir $(f))))))

# Answers with a table of fields.
DOCUMENTS := $(shell grep -hoP '^const struct ch_document ch_document_\K[a-z]+' src/report/*.c | sort)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
APP_OBJ := $(APP_SRC:%.c=$(B)/%.o)

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all deps deps-more deps-lint deps-static deps-deb check check-all lint bench demo fixtures fuzz man static deb install install-program install-library uninstall clean dist FORCE

# A page for each command and the overview, and completion in shells, made by the program itself
# from its tables: a command or an option has its place in them by being there.
PAGES := $(B)/man/coreheap.1 $(CMDS:%=$(B)/man/coreheap-%.1)
SHELLS := bash zsh fish
COMPLETIONS := $(SHELLS:%=$(B)/completion/%)

all: $(B)/coreheap $(B)/libcoreheap.a $(B)/libcoreheap.so $(B)/coreheap.pc man $(COMPLETIONS)

man: $(PAGES)

$(B)/man/coreheap.1: $(B)/coreheap
	$(Q)mkdir -p $(@D) && $< --man > $@

$(B)/man/coreheap-%.1: $(B)/coreheap
	$(Q)mkdir -p $(@D) && $< $* --man > $@

$(B)/completion/%: $(B)/coreheap
	$(Q)mkdir -p $(@D) && $< --completion $* > $@

$(B)/coreheap: $(APP_OBJ) $(B)/libcoreheap.a
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(NOTE_NOMEM) -o $@ $^ $(LIBS)

# One file that needs nothing of the host it is copied to. The archives are those of the -dev
# packages; libdw has no pkg-config file to say that it needs libbz2. src/static.c says why it is there.
STATIC_LIBS = -Wl,--start-group $(shell pkg-config --static --libs $(PKGS) 2>/dev/null) -Wl,--end-group

static: deps-static
	+@$(SUBMAKE) $(B)/coreheap-static

$(B)/coreheap-static: $(APP_OBJ) $(B)/src/static.o $(B)/libcoreheap.a
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(NOTE_NOMEM) -Wl,--wrap=dlopen -static-pie -o $@ $^ $(STATIC_LIBS) $(DEMANGLER) -pthread

$(B)/libcoreheap.a: $(LIB_OBJ)
	@echo '  AR     $@'
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

$(B)/libcoreheap.so.$(SOVERSION): $(LIB_OBJ) src/coreheap.map
	@echo '  LINK   $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(NOTE_NOMEM) -shared -Wl,-soname,libcoreheap.so.$(SOVERSION) \
		-Wl,--version-script=src/coreheap.map -o $@ $(LIB_OBJ) $(LIBS)

$(B)/libcoreheap.so: $(B)/libcoreheap.so.$(SOVERSION)
	$(Q)ln -sf $(notdir $<) $@

# Rewritten only when the contents change, so that a second make does nothing.
define update
@mkdir -p $(@D); cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
endef

# FORCE: prefix may differ from the last time.
$(B)/coreheap.pc: src/coreheap.pc.in include/coreheap/coreheap.h FORCE
	@mkdir -p $(@D); sed -e 's|@prefix@|$(prefix)|;s|@libdir@|$(libdir)|;s|@version@|$(VERSION)|;s|@packages@|$(PKGS)|' \
		$< > $@.tmp
	$(update)

APT_LISTS := /var/lib/apt/lists

# Install what is missing of $(1), or say how and stop. Where the system has no
# dpkg there is nothing to ask: the compiler and pkg-config will say what they miss.
# Some libraries are called NAMEt64 since Debian 13, and provide NAME.
define need
@if command -v dpkg-query > /dev/null; then \
	missing=$$(for p in $(1); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$p $${p}t64 2> /dev/null | \
			grep -qx installed || echo $$p; \
	done | xargs); \
	if [ -z "$$missing" ]; then \
		:; \
	elif [ "$$(id -u)" = 0 ]; then \
		echo "  DEPS   $$missing"; \
		install='apt-get -q -y --no-install-recommends install'; \
		export DEBIAN_FRONTEND=noninteractive; \
		if ls $(APT_LISTS)/*_Packages* > /dev/null 2>&1; then \
			$$install $$missing || { apt-get -q update && $$install $$missing; }; \
		else \
			apt-get -q update && $$install $$missing; \
		fi; \
	else \
		echo "These Debian packages are missing; install them and run make again:" >&2; \
		echo "  sudo apt-get install --no-install-recommends $$missing" >&2; \
		exit 1; \
	fi; \
fi
endef

deps:
	$(call need,$(DEPS_BUILD) $(DEPS_TEST))

# Not being able to install these is no reason to run no tests at all.
deps-more:
	$(call need,$(DEPS_TEST_MORE))

deps-lint:
	$(call need,$(DEPS_LINT))

deps-static:
	$(call need,$(DEPS_BUILD) $(DEPS_STATIC))

deps-deb:
	$(call need,$(DEPS_BUILD) $(DEPS_DEB))

# Compile with dependencies; objects are remade when the flags change.
$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo '  CC     $<'
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/src/heap/registry.o: $(B)/gen/walkers.inc
$(B)/src/types/registry.o: $(B)/gen/providers.inc
$(B)/src/cmd/registry.o: $(B)/gen/cmds.inc
$(B)/src/report/registry.o: $(B)/gen/documents.inc

$(B)/gen/walkers.inc: FORCE
	@mkdir -p $(@D); printf 'CH_WALKER(%s)\n' $(WALKERS) | sed '/()/d' > $@.tmp
	$(update)
$(B)/gen/providers.inc: FORCE
	@mkdir -p $(@D); printf 'CH_PROVIDER(%s)\n' $(PROVIDERS) | sed '/()/d' > $@.tmp
	$(update)
$(B)/gen/cmds.inc: FORCE
	@mkdir -p $(@D); printf 'CH_CMD(%s)\n' $(CMDS) | sed '/()/d' > $@.tmp
	$(update)
$(B)/gen/documents.inc: FORCE
	@mkdir -p $(@D); printf 'CH_DOCUMENT(%s)\n' $(DOCUMENTS) | sed '/()/d' > $@.tmp
	$(update)
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@.tmp
	$(update)

FORCE:

-include $(LIB_OBJ:.o=.d) $(APP_OBJ:.o=.d) $(B)/src/static.d

include test/test.mk
include test/lint/lint.mk
include test/fuzz/fuzz.mk

install: install-program install-library
	@[ -n '$(DESTDIR)' ] || echo "Before linking with libcoreheap.so: ldconfig (the program needs it not)."

install-program: $(B)/coreheap man $(COMPLETIONS)
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(bashdir) \
		$(DESTDIR)$(zshdir) $(DESTDIR)$(fishdir) $(DESTDIR)$(datadir)/coreheap/schema \
		$(DESTDIR)$(libexecdir) $(DESTDIR)$(unitdir)
	install -m 755 $(B)/coreheap $(DESTDIR)$(bindir)/
	install -m 644 $(PAGES) $(DESTDIR)$(mandir)/man1/
	install -m 644 $(B)/completion/bash $(DESTDIR)$(bashdir)/coreheap
	install -m 644 $(B)/completion/zsh $(DESTDIR)$(zshdir)/_coreheap
	install -m 644 $(B)/completion/fish $(DESTDIR)$(fishdir)/coreheap.fish
	install -m 644 $(wildcard docs/schema/*.json) $(DESTDIR)$(datadir)/coreheap/schema/
	install -m 755 docs/hooks/coreheap-ticket $(DESTDIR)$(libexecdir)/
	sed 's|/usr/local/libexec/|$(libexecdir)/|' docs/hooks/coreheap-ticket.service \
		> $(DESTDIR)$(unitdir)/coreheap-ticket.service
	install -m 644 docs/hooks/coreheap-ticket.path $(DESTDIR)$(unitdir)/

install-library: all
	install -d $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(prefix)/include/coreheap
	install -m 644 $(HEADERS) $(DESTDIR)$(prefix)/include/coreheap/
	install -m 644 $(B)/libcoreheap.a $(DESTDIR)$(libdir)/
	install -m 755 $(B)/libcoreheap.so.$(SOVERSION) $(DESTDIR)$(libdir)/
	ln -sf libcoreheap.so.$(SOVERSION) $(DESTDIR)$(libdir)/libcoreheap.so
	install -m 644 $(B)/coreheap.pc $(DESTDIR)$(libdir)/pkgconfig/

deb: deps-deb
	+@$(SUBMAKE) $(B)/coreheap man $(COMPLETIONS)
	$(Q)MAKE='$(MAKE)' docs/deb/build.sh $(VERSION) $(abspath $(B))/deb

uninstall:
	rm -f $(DESTDIR)$(bindir)/coreheap $(DESTDIR)$(libdir)/libcoreheap.* \
		$(DESTDIR)$(libdir)/pkgconfig/coreheap.pc \
		$(addprefix $(DESTDIR)$(mandir)/man1/,$(notdir $(PAGES))) \
		$(DESTDIR)$(bashdir)/coreheap $(DESTDIR)$(zshdir)/_coreheap \
		$(DESTDIR)$(fishdir)/coreheap.fish $(DESTDIR)$(libexecdir)/coreheap-ticket \
		$(addprefix $(DESTDIR)$(unitdir)/,coreheap-ticket.service coreheap-ticket.path)
	rm -rf $(DESTDIR)$(prefix)/include/coreheap $(DESTDIR)$(datadir)/coreheap

clean:
	rm -rf build
