#!/usr/bin/env bash
# Compressed cores on the command line: same answers, limits, no room, damage.
set -uo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
count=0

result() {
	count=$((count + 1))
	echo "$1 $count - $2"
	[ "$1" = ok ] || sed 's/^/# /' "$dir/out" "$dir/err" 2> /dev/null | head -n 30
}

run() {
	"$COREHEAP" "$@" > "$dir/out" 2> "$dir/err"
	code=$?
}

# expect NAME EXIT-CODE TEXT
expect() {
	if [ "$code" = "$2" ] && cat "$dir/out" "$dir/err" | tr -s ' \n' ' ' | grep -qF -- "$3"; then
		result ok "$1"
	else
		result 'not ok' "$1"
	fi
}

core=$dir/the.core
zstd -q -d -o "$core" fixtures/sid-cpp-abort/core.zst || exit 1

# What differs is the name of the file and how it was compressed.
run info --json "$core"
jq 'del(.dump.file_name, .dump.compression, .core.compression, .compression)' "$dir/out" > "$dir/want"
for program in 'zstd -q --long=27' 'gzip -1' 'xz -0' 'lz4 -q -B4'; do
	name=${program%% *}
	$program -c < "$core" > "$dir/packed"
	run info --json "$dir/packed"
	jq 'del(.dump.file_name, .dump.compression, .core.compression, .compression)' "$dir/out" \
		> "$dir/got"
	if [ "$code" = 0 ] && [ -s "$dir/want" ] &&
		diff <(sed 's/the\.core/packed/g' "$dir/want") "$dir/got" > "$dir/err"; then
		result ok "$name: same info"
	else
		result 'not ok' "$name: same info"
	fi
	run info --temp-bytes 100K "$dir/packed"
	expect "$name: --temp-bytes" 5 'unpacks to more than 102400 bytes'
	head -c 50000 "$dir/packed" > "$dir/cut"
	run info --strict "$dir/cut"
	expect "$name: a cut file is incomplete" 4 'ends before its end mark'
	head -c 15 "$dir/packed" > "$dir/cut"
	run info "$dir/cut"
	expect "$name: too short for anything" 3 'nothing could be unpacked'
done

run info --temp-dir "$dir/nowhere" "$dir/packed"
expect 'no such --temp-dir' 5 "$dir/nowhere"
TMPDIR=$dir/nowhere run info "$dir/packed"
expect 'no such TMPDIR' 5 "$dir/nowhere"
TMPDIR=$dir/nowhere run info --temp-dir "$dir" "$dir/packed"
expect '--temp-dir wins over TMPDIR' 0 ''
left=$(find "$dir" -name 'coreheap*')
if [ -z "$left" ]; then
	result ok 'no temporary file is left'
else
	result 'not ok' "no temporary file is left: $left"
fi

# A file system with room for half of it.
mkdir "$dir/small"
if unshare -rm true 2> /dev/null; then
	unshare -rm sh -c 'mount -t tmpfs -o size=600k none "$1/small" &&
		exec "$2" info --temp-dir "$1/small" "$1/packed"' sh "$dir" "$COREHEAP" \
		> "$dir/out" 2> "$dir/err"
	code=$?
	expect 'no room: says where and what to do' 5 '(--temp-dir or TMPDIR names a folder with more room): No space left'
else
	count=$((count + 1))
	echo "ok $count - no room # SKIP mounts are not allowed here"
fi
echo "1..$count"
