#!/usr/bin/env bash
# Functions have at most 100 lines, source files 800, headers 400; tests, which
# are tables and one function after the other, 1000. A command has at most 100
# lines beside its tables: it reads options, calls one function and prints.
#
# usage: sizes.sh FOLDER...
set -euo pipefail

# A function begins with { and ends with } in the first column: clang-format
# sees to that. Initialisers end with };.
# shellcheck disable=SC2046
awk '
BEGIN {
	# Commands that are longer, as what their options may say takes that many.
	wordy["address"]	# lists and layouts of WinDbg
	wordy["diff"]		# sizes or percent, and hours, of what counts as growth
	wordy["search"]		# six kinds of patterns, each with the spelling of WinDbg
}
function command_done(    stem) {
	stem = name
	gsub(/^.*\/|\.c$/, "", stem)
	if (is_command && command > 100 && !(stem in wordy)) {
		printf "%s: a command of %d lines beside its tables, the most is 100\n", name, command
		failed = 1
	}
}
function file_done() {
	command_done()
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
	start = is_command = command = table = begun = 0
}
{ lines = FNR }
/^const struct ch_cmd ch_cmd_/ { is_command = 1 }
/^(static )?const .* = \{$/ { table = 1 }
# Not what the file says of itself.
/^#/ { begun = 1 }
begun && !table && NF { command++ }
/^};$/ { table = 0 }
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
