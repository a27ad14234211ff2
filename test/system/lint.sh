#!/usr/bin/env bash
# Each check of `make lint` that is a script of ours finds what it is for.
set -uo pipefail
lint=$PWD/test/lint
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
count=0

result() {
	count=$((count + 1))
	echo "$1 $count - $2"
}

# A tree in which everything is right.
fresh() {
	rm -rf "$dir/t"
	mkdir -p "$dir/t"/{include/coreheap,src/{util,core,sym,map,heap,report,cmd,walkers/toy}}
	mkdir -p "$dir/t"/{test/system,fixtures,.ci}
	printf '#!/usr/bin/env bash\ntrue\n' > "$dir/t/.ci/run"
	chmod +x "$dir/t/.ci/run"
	cd "$dir/t" || exit 1
	echo '#include <coreheap/error.h>' > include/coreheap/core.h
	echo '#include "util/vec.h"' > src/core/core.c
	printf '#include <gelf.h>\n#include "core/core_priv.h"\n' > src/core/notes.c
	printf '#include <elfutils/libdwfl.h>\n#include <libelf.h>\n#include <dwarf.h>\n' > src/sym/sym.c
	printf '#include "heap/walker.h"\n#include "walkers/toy/toy.h"\n#include <coreheap/map.h>\n' \
		> src/walkers/toy/toy.c
	printf '#include "heap/walker.h"\n' > src/walkers/other.c
	echo '#include "cmds.inc"' > src/cmd/registry.c
	printf '#include <jansson.h>\n#include <coreheap/coreheap.h>\n' > src/report/json.c
	printf 'int f(void)\n{\n\treturn 1;\n}\n' > src/util/vec.c
	find src -name '*.c' -exec sed -i '1i /* What it is for. */' {} +
}

# must NAME COMMAND...: passes on the fresh tree
must() {
	if "${@:2}" > "$dir/out" 2>&1; then
		result ok "$1"
	else
		result 'not ok' "$1"
		sed 's/^/# /' "$dir/out"
	fi
}

# must_not NAME TEXT COMMAND...: fails and shows TEXT
must_not() {
	if "${@:3}" > "$dir/out" 2>&1 || ! grep -qF -- "$2" "$dir/out"; then
		result 'not ok' "$1"
		sed 's/^/# /' "$dir/out"
	else
		result ok "$1"
	fi
}

# include FILE LINE TEXT: layering finds LINE in FILE
include() {
	fresh
	echo "$2" >> "$1"
	must_not "$1: $2" "$3" "$lint/layering.sh"
}

fresh
must 'layering: a sound tree' "$lint/layering.sh"
include src/util/vec.c '#include "core/core.h"' 'util must not know core'
include src/core/core.c '#include <coreheap/sym.h>' 'core must not know sym'
include src/core/core.c '#include <jansson.h>' 'does not belong into core'
include src/core/core.c '#include <elfutils/libdw.h>' 'does not belong into core'
include src/core/core.c '#include <zlib.h>' 'does not belong into core'
include src/map/map.c '#  include <libelf.h>' 'does not belong into map'
include src/map/map.c '#include "core/core_priv.h"' 'private to core'
include src/heap/engine.c '#include "walkers/toy/toy.h"' 'heap must not know walkers'
include src/heap/engine.c '#include "report/report.h"' 'heap must not know report'
include src/walkers/other.c '#include "heap/engine.h"' 'a walker knows'
include src/walkers/other.c '#include "core/unpack.h"' 'a walker knows'
include src/walkers/other.c '#include "walkers/toy/toy.h"' 'a walker knows'
include src/walkers/toy/toy.c '#include "../../util/vec.h"' 'relative to src'
include src/report/json.c '#include "cmd/cmd.h"' 'report must not know cmd'
include src/cmd/info.c '#include <jansson.h>' 'does not belong into cmd'
include src/cmd/info.c '#include "walkers.inc"' 'for registries'
include src/cmd/info.c '#include "string.h"' 'not a folder of src'
include include/coreheap/core.h '#include <coreheap/heap.h>' 'core must not know heap'
include include/coreheap/core.h '#include "util/vec.h"' 'include each other as'
include src/report/json.c 'ch_heaps_list(heaps, &count);' 'a report asks neither'
include src/report/json.c 'struct ch_graph *graph;' 'a report asks neither'

fresh
echo '#include "core/core_priv.h"' > src/core/notes.h
must 'layering: a private header behind another one' "$lint/layering.sh"
echo '#include "core/notes.h"' >> src/map/map.c
must_not 'layering: a private header in two steps' 'src/map/map.c: reaches core/core_priv.h by core/notes.h' \
	"$lint/layering.sh"

fresh
must 'sizes: a sound tree' "$lint/sizes.sh" src
{ printf 'int g(void)\n{\n'; yes '	x();' | head -n 100; printf '}\n'; } > src/util/g.c
must 'sizes: a function of 100 lines' "$lint/sizes.sh" src
{ printf 'int g(void)\n{\n'; yes '	x();' | head -n 101; printf '}\n'; } > src/util/g.c
must_not 'sizes: a function of 101 lines' 'a function of 101 lines' "$lint/sizes.sh" src
yes '/* */' | head -n 801 > src/util/g.c
must_not 'sizes: a file of 801 lines' '801 lines, the most is 800' "$lint/sizes.sh" src
rm src/util/g.c
command() {
	yes '#define A' | head -n "$1"
	printf 'static const char *const aliases[] = {\n'
	yes '	"a",' | head -n 99
	printf '};\n\nconst struct ch_cmd ch_cmd_long = {\n	.name = "long",\n};\n'
}
command 100 > src/cmd/long.c
must 'sizes: a command of 100 lines, and tables' "$lint/sizes.sh" src
command 101 > src/cmd/long.c
must_not 'sizes: a command of 101 lines' 'a command of 101 lines' "$lint/sizes.sh" src
rm src/cmd/long.c
yes '/* */' | head -n 401 > src/util/vec.h
must_not 'sizes: a header of 401 lines' '401 lines, the most is 400' "$lint/sizes.sh" src

fresh
must 'text: a sound tree' "$lint/text.sh"
host=deb.debian
echo "see http://$host.org/debian" > README.md
must_not 'text: host of a registry' README.md "$lint/text.sh"
fresh
echo "-I/wor""k/main/include" > src/util/vec.h
must_not 'text: folder of a builder' src/util/vec.h "$lint/text.sh"
fresh
sed -i 1d src/util/vec.c
must_not 'text: a source without a word' 'src/util/vec.c: does not begin with a comment' "$lint/text.sh"
fresh
echo 'a framework/worktree of /usr/work' > README.md
must 'text: words that hold a pattern' "$lint/text.sh"
printf '#!/usr/bin/env bash\nif true; then\n' > test/system/x.sh
chmod +x test/system/x.sh
must_not 'text: a script that does not parse' x.sh "$lint/text.sh"
printf '#!/usr/bin/env bash\ntrue\n' > test/system/x.sh
chmod -x test/system/x.sh
must_not 'text: a test that cannot be run' 'not executable' "$lint/text.sh"

# symbols: a library of our own making. Sanitized objects have symbols of their own.
fresh
build() {
	mkdir -p b/src/walkers
	printf '%s\n' "$1" > lib.c
	printf '%s\n' "$2" > b/src/walkers/toy.c
	"${CC:-cc}" -w -shared -fPIC -o b/libcoreheap.so lib.c &&
		"${CC:-cc}" -w -fPIC -c -o b/src/walkers/toy.o b/src/walkers/toy.c
}
good='int ch_x(void) { return 1; }'
build "$good" '#include <string.h>
int chp_y(void);
int ch_f(const char *s) { return (int)strlen(s) + chp_y(); }'
must 'symbols: a sound build' "$lint/symbols.py" b
build "$good int stray(void) { return 1; }" "$good"
must_not 'symbols: a stray export' 'exports stray' "$lint/symbols.py" b
build "$good" 'int printf(const char *, ...);
int f(void) { return printf("x"); }'
must_not 'symbols: a walker that prints' 'must not call printf' "$lint/symbols.py" b
build "$good" 'int open(const char *, int, ...);
int f(void) { return open("x", 0); }'
must_not 'symbols: a walker that opens files' 'a walker must not call open' "$lint/symbols.py" b
build "$good" "$good"
mkdir -p b/src/core
printf '#include <stdlib.h>\nvoid f(void) { abort(); }\n' > c.c
"${CC:-cc}" -w -c -o b/src/core/c.o c.c
must_not 'symbols: a library that aborts' 'must not call abort' "$lint/symbols.py" b
mkdir -p b/src/walkers/hotspot
printf 'int hs_f(void) { return 1; }\n' > c.c
rm b/src/core/c.o
"${CC:-cc}" -w -c -o b/src/walkers/hotspot/c.o c.c
must 'symbols: a prefix of the walker' "$lint/symbols.py" b
printf 'int f(void) { return 1; }\n' > c.c
"${CC:-cc}" -w -c -o b/src/walkers/hotspot/c.o c.c
must_not 'symbols: no prefix' 'exports f, whose name does not begin' "$lint/symbols.py" b

# circles: two files of a folder that call each other
fresh
circle() {
	rm -rf src b
	mkdir -p src/toy b/src/toy
	printf '%s\n' "$1" > src/toy/a.c
	printf '%s\n' "$2" > src/toy/b.c
	for name in a b; do
		"${CC:-cc}" -w -c -o "b/src/toy/$name.o" "src/toy/$name.c" || return
	done
}
circle 'int b(void); int a(void) { return b(); }' 'int b(void) { return 1; }'
must 'circles: one file calls the other' "$lint/circles.py" b
circle 'int b(void); int a(void) { return b(); }' 'int a(void); int b(void) { return a(); }'
must_not 'circles: they call each other' 'circle of 2: src/toy/a.c src/toy/b.c' "$lint/circles.py" b
echo "1..$count"
