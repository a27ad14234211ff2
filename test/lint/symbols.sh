#!/usr/bin/env bash
# What the objects of a build say about themselves: the shared library exports
# ch_ and nothing else, no part of the library prints, exits or aborts, and a
# walker calls only its engine and what is on the list below. What files share has a
# prefix that tells whose it is.
#
# usage: symbols.sh BUILD
set -euo pipefail
build=$1
failed=0

complain() {
	echo "$*" >&2
	failed=1
}

exported=$(nm -D --defined-only "$build/libcoreheap.so" | awk '$2 != "A" { print $3 }')
[ -n "$exported" ] || complain "$build/libcoreheap.so exports nothing"
for name in $(grep -v '^ch_' <<< "$exported" || true); do
	complain "libcoreheap.so exports $name, which does not begin with ch_"
done

undefined() {
	nm -u "$1" | awk '$1 == "U" { print $2 }' | sed 's/@.*//'
}

# stdio on streams (formatting into memory is fine), and ways to end the process.
forbidden='^(stdin|stdout|stderr|v?printf|puts|putchar|putc|perror|__v?printf_chk|v?d?warnx?|v?errx?'
forbidden+='|exit|_exit|_Exit|quick_exit|abort|__assert_fail|v?syslog|system|popen|execv?[lpe]*|fork)$'
while IFS= read -r object; do
	for name in $(undefined "$object" | grep -E "$forbidden" || true); do
		complain "$object: the library must not call $name"
	done
done < <(find "$build/src" -name '*.o' -not -path '*/src/render/*' \
	-not -path '*/src/report/*' -not -path '*/src/cmd/*' \
	-not -path '*/src/main.o' | sort)

# Memory, text in memory, arithmetic (bits are counted by a function of the compiler), locks: a walker
# needs nothing else.
allowed='^(_?ch_.*|chp_.*|ch_walker_.*|malloc|calloc|realloc|reallocarray|free|mem(cpy|move|set|cmp|mem|chr|rchr)|mempcpy'
allowed+='|str(n?len|n?cmp|n?casecmp|r?chr|n?dup|str|tou?ll?|spn|cspn)|__isoc23_str.*|v?snprintf|v?asprintf|__.*_chk|qsort(_r)?'
allowed+='|bsearch|abs|pthread_mutex_[a-z]+|pthread_once|__popcountdi2|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer)_.*)$'
if [ -d "$build/src/walkers" ]; then
	while IFS= read -r object; do
		# Calls between the files of one walker are its own affair.
		folder=$(dirname "$object")
		own=$([ "$(basename "$folder")" = walkers ] && echo "$object" || echo "$folder"/*.o)
		# shellcheck disable=SC2086
		defined=$(nm --defined-only $own | awk 'NF == 3 { print $3 }' | sort -u)
		for name in $(undefined "$object" | grep -vE "$allowed" || true); do
			# The one that reads a descriptor in JSON.
			[[ $object == */coreclr/descriptor.o && $name == json_* ]] && continue
			grep -qxF -- "$name" <<< "$defined" || complain "$object: a walker must not call $name"
		done
	done < <(find "$build/src/walkers" -name '*.o' | sort)
fi

# What files share with others has a prefix that tells whose it is: that of the library, or in a
# walker's folder one of its own, else the folder's name.
declare -A prefixes=([coreclr]=clr [hotspot]=hs)
while IFS= read -r object; do
	prefix='chp?_'
	folder=$(basename "$(dirname "$object")")
	[[ $object == */src/walkers/*/*.o ]] && prefix="(ch_walker|${prefixes[$folder]:-$folder})_"
	for name in $(nm -g --defined-only "$object" | awk 'NF == 3 && $3 !~ /^__/ { print $3 }' |
		grep -vE "^$prefix" || true); do
		complain "$object: exports $name, whose name does not begin with $prefix"
	done
done < <(find "$build/src" -name '*.o' -not -name main.o | sort)
exit $failed
