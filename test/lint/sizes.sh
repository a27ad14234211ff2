#!/usr/bin/env bash
# Functions have at most 100 lines, source files 800, headers 400; tests, which
# are tables and one function after the other, 1000.
#
# usage: sizes.sh FOLDER...
set -euo pipefail

# A function begins with { and ends with } in the first column: clang-format
# sees to that. Initialisers end with };.
# shellcheck disable=SC2046
awk '
function file_done() {
	most = name ~ /^test\// ? 1000 : name ~ /\.h$/ ? 400 : 800
	if (lines > most) {
		printf "%s: %d lines, the most is %d\n", name, lines, most
		failed = 1
	}
}
FNR == 1 {
	if (name)
		file_done()
	name = FILENAME
	start = 0
}
{ lines = FNR }
/^{$/ { start = FNR }
/^}$/ && start {
	if (FNR - start - 1 > 100) {
		printf "%s:%d: a function of %d lines, the most is 100\n", name, start, FNR - start - 1
		failed = 1
	}
	start = 0
}
END {
	file_done()
	exit failed
}
' $(find "$@" -name '*.[ch]' | sort)
