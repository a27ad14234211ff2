#!/usr/bin/env bash
# Every fuzz target over its seeds and fixed mutations of them; for the session
# also over the core of a program that was just running.
set -uo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
count=0

# replay TARGET MUTATIONS SEED... (half as many mutations without WHOLE=1)
replay() {
	local target=$1 mutations=$(($2 / (2 - ${WHOLE:-0}))) name
	shift 2
	name="$target: $# seeds, $mutations mutations of each"
	count=$((count + 1))
	if timeout 1800 "$BUILD/test/fuzz/replay_$target" -n "$mutations" -s 20 \
		-o "$dir/failed" "$@" > "$dir/out" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		tail -n 40 "$dir/out" | sed 's/^/# /'
		# Kept where the runner removes nothing.
		[ -e "$dir/failed" ] && cp "$dir/failed" "$BUILD/failed-$target" &&
			echo "# the input is $BUILD/failed-$target"
	fi
}

"$BUILD/test/fuzz/seeds" "$dir/seeds" || exit 1
replay core 3000 "$dir"/seeds/core/*
replay notes 5000 "$dir"/seeds/notes/*
replay unpack 500 "$dir"/seeds/unpack/*
replay text 5000 "$dir"/seeds/text/*
replay pattern 3000 "$dir"/seeds/pattern/*
replay session 2000 "$dir"/seeds/session/*
replay debug 1000 "$dir"/seeds/debug/*

# Tables of a Go program, and its goroutines.
python3 test/fuzz/small_core.py fixtures/goroutines/1.19.xz "$dir/goroutines" &&
	replay session 300 "$dir/goroutines"

# Debug information as a compiler writes it.
for flags in "-gdwarf-4 -fdebug-types-section" "-gdwarf-5 -O2"; do
	# shellcheck disable=SC2086
	"${CC:-cc}" -w $flags -shared -fPIC -nostdlib -o "$dir/debug${flags:8:1}.so" \
		fixtures/declared/elsewhere.c
done
replay debug 1000 "$dir"/debug4.so "$dir"/debug5.so

# Where the kernel hands cores to a program there is none to be had.
if [ "$(cat /proc/sys/kernel/core_pattern)" = core ] &&
	"${CC:-cc}" -O1 -w -pthread -o "$dir/malloc_seed" test/fuzz/malloc_seed.c; then
	{ (cd "$dir" && ulimit -c unlimited && ./malloc_seed); } > /dev/null 2>&1
	replay session 300 "$dir"/core*
	for other in -ljemalloc -lmimalloc -l:libtcmalloc_minimal.so.4; do
		mkdir "$dir/$other"
		if "${CC:-cc}" -O1 -w -pthread -Wl,--no-as-needed -o "$dir/$other/malloc_seed" \
			test/fuzz/malloc_seed.c "$other" 2> /dev/null; then
			{ (cd "$dir/$other" && ulimit -c unlimited && ./malloc_seed); } > /dev/null 2>&1
			replay session 20 "$dir/$other"/core*
		fi
	done
	# pools that carve up blocks of malloc
	for pool in "slabs malloc" "haproxy none" "squid none" "gslice none" "contexts 15" "contexts 17" "pools none"; do
		# shellcheck disable=SC2086
		set -- $pool
		mkdir "$dir/$1-$2"
		"${CC:-cc}" -O1 -w -rdynamic -o "$dir/$1-$2/program" "fixtures/$1/$1".c* \
			-pthread -Wl,--as-needed -lstdc++ -ldl
		{ (cd "$dir/$1-$2" && ulimit -c unlimited && ./program . abort "${@:2}"); } > /dev/null 2>&1
		# one of them needs a library that may not be there
		ls "$dir/$1-$2"/core* > /dev/null 2>&1 && replay session 20 "$dir/$1-$2"/core*
	done
	# containers by their shape, classes by their tables, what libc keeps
	for program in containers classes; do
		mkdir "$dir/$program"
		"${CXX:-g++}" -std=c++17 -O1 -w -o "$dir/$program/program" \
			"fixtures/$program/$program.cc" || continue
		{ (cd "$dir/$program" && ulimit -c unlimited && ./program . abort); } > /dev/null 2>&1
		replay session 20 "$dir/$program"/core*
	done
else
	count=$((count + 1))
	echo "ok $count - session: a real core # SKIP core_pattern is not 'core'"
fi
echo "1..$count"
