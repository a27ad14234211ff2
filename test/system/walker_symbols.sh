#!/bin/sh
# Walkers must not print, exit, run programs or touch files: their object files
# must not ask for a function that does. (printf of one character is putchar.)
set -u
n=0
failed='printf|fprintf|vprintf|vfprintf|puts|fputs|putc|putchar|fputc|fwrite|perror|write|dprintf|__.*printf_chk'
failed="$failed|exit|_exit|abort|__assert_fail|quick_exit|system|popen|exec.*|fork|vfork|posix_spawn.*"
failed="$failed|open|open64|openat|openat64|fopen|fopen64|unlink|rename|socket|connect|getenv"
# Formatting into memory is allowed.
allowed='snprintf|__snprintf_chk|vsnprintf|__vsnprintf_chk|asprintf|__asprintf_chk'

for source in $(find src/walkers -name '*.c' 2>/dev/null | LC_ALL=C sort); do
	object=$BUILD/${source%.c}.o
	n=$((n + 1))
	if [ ! -f "$object" ]; then
		echo "not ok $n - $object was built"
		continue
	fi
	bad=$(nm -u "$object" | awk '{ sub(/@.*/, "", $2); print $2 }' |
		grep -E -x "$failed" | grep -E -x -v "$allowed" | tr '\n' ' ')
	name=${object#"$BUILD"/}
	if [ -z "$bad" ]; then
		echo "ok $n - $name calls nothing a walker must not"
	else
		echo "not ok $n - $name calls nothing a walker must not"
		echo "# it calls $bad"
	fi
done

# The check itself can fail.
n=$((n + 1))
dir=$(mktemp -d)
printf '#include <stdio.h>\nvoid f(void) { printf("x"); }\n' > "$dir/p.c"
${CC:-cc} -O2 -c -o "$dir/p.o" "$dir/p.c"
if nm -u "$dir/p.o" | awk '{ print $2 }' | grep -E -x -q "$failed"; then
	echo "ok $n - a printf would be noticed"
else
	echo "not ok $n - a printf would be noticed"
fi
rm -rf "$dir"
echo "1..$n"
