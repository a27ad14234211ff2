#!/bin/sh
# make install: headers that compile alone as C and C++, a library that exports its
# public functions and nothing else, a working pkg-config file; and make uninstall.
set -u
. "$(dirname "$0")/../support/tap.sh"
case $BUILD in */san)
	skip_all "the sanitised build is not meant to be installed"
	;;
esac
root=$folder/root
run() {
	"$@" > "$folder/log" 2>&1
}

# The switches of the make that runs the tests, so that nothing is built anew.
switches=${MAKE_SWITCHES:-}
# shellcheck disable=SC2086
run make --no-print-directory $switches install DESTDIR="$root" prefix=/opt/coreheap
result $? "make install succeeds"
prefix=$root/opt/coreheap
[ -x "$prefix/bin/coreheap" ] && [ -f "$prefix/lib/libcoreheap.a" ] &&
	[ -f "$prefix/lib/pkgconfig/coreheap.pc" ] && [ -f "$prefix/share/man/man1/coreheap.1" ] &&
	[ -e "$prefix/lib/libcoreheap.so" ]
result $? "program, libraries, pkg-config file and man page are there"
for file in share/man/man1/coreheap-types.1 share/bash-completion/completions/coreheap \
	share/zsh/site-functions/_coreheap share/fish/vendor_completions.d/coreheap.fish \
	share/coreheap/schema/types.json libexec/coreheap-ticket lib/systemd/system/coreheap-ticket.path; do
	[ -s "$prefix/$file" ] || echo "$file"
done > "$folder/log"
[ ! -s "$folder/log" ] && [ -x "$prefix/libexec/coreheap-ticket" ] &&
	grep -qx 'ExecStart=/opt/coreheap/libexec/coreheap-ticket .*' \
		"$prefix/lib/systemd/system/coreheap-ticket.service"
result $? "so are a page for each command, completion for three shells, schemas and hooks"
[ "$(cd "$prefix/share/man/man1" && echo *)" = "$(cd "$BUILD/man" && echo *)" ]
result $? "and the pages are those that were built"

status=0
: > "$folder/log"
for header in "$prefix"/include/coreheap/*.h; do
	name=coreheap/$(basename "$header")
	for language in c c++; do
		echo "#include <$name>" | "${CC:-cc}" -x $language -Wall -Wextra -Werror -fsyntax-only \
			-I"$prefix/include" - >> "$folder/log" 2>&1 || status=1
	done
done
result $status "each header compiles alone as C and as C++"

nm -D --defined-only "$prefix/lib/libcoreheap.so" | awk '{ sub(/@.*/, "", $3); print $3 }' |
	grep -v '^COREHEAP_' | sort > "$folder/exported"
# the last name before a parenthesis is the function; types never stand there
cat "$prefix"/include/coreheap/*.h | grep -v '^#define' | tr '\n\t' '  ' | grep -oE 'CH_PUBLIC[^;]*;' |
	sed -E 's/CH_MUST_CHECK//; s/^CH_PUBLIC//; s/\(.*//; s/;//' |
	awk '{ sub(/^\*+/, "", $NF); print $NF }' | sort -u > "$folder/declared"
comm -13 "$folder/declared" "$folder/exported" > "$folder/log"
[ -s "$folder/exported" ] && [ ! -s "$folder/log" ]
result $? "the shared library exports nothing that no header declares"
comm -23 "$folder/declared" "$folder/exported" > "$folder/log"
[ -s "$folder/declared" ] && [ ! -s "$folder/log" ]
result $? "all that the headers declare is exported"

cat > "$folder/use.c" << 'END'
#include <coreheap/coreheap.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_session *session = NULL;
	struct ch_error *err = ch_session_open(ctx, argc > 1 ? argv[1] : "/", NULL, &session);

	puts(err ? ch_error_code_name(err->code) : "OPEN");
	ch_error_destroy(err);
	ch_session_close(session);
	ch_context_destroy(ctx);
	return 0;
}
END
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root"
run sh -c "${CC:-cc} -o $folder/shared $folder/use.c \
	-I$prefix/include -L$prefix/lib -Wl,-rpath,$prefix/lib \
	\$(pkg-config --libs-only-l coreheap)"
result $? "a program builds against the shared library"
"$folder/shared" /bin/sh > "$folder/log" 2>&1
grep -qx FORMAT "$folder/log"
result $? "and says FORMAT of an executable"
run sh -c "pkg-config --validate coreheap && pkg-config --static --libs coreheap | grep -q -- -lelf &&
	pkg-config --cflags coreheap | grep -q opt/coreheap/include"
result $? "the pkg-config file names include folder and static libraries"

# shellcheck disable=SC2086
run make --no-print-directory $switches uninstall DESTDIR="$root" prefix=/opt/coreheap
result $? "make uninstall succeeds"
find "$root" ! -type d > "$folder/log"
[ ! -s "$folder/log" ]
result $? "and leaves no file behind"
[ ! -e "$prefix/share/coreheap" ] && [ ! -e "$prefix/include/coreheap" ]
result $? "nor a folder of its own"
echo "1..$count"
