#!/bin/sh
# `make deb` and `make static`: the package holds what it should, says what it needs, and is the same
# twice; the static program runs where there is nothing but itself and a core. That the package is
# installed in a clean system is shown by `make check-fresh`.
set -u
. "$(dirname "$0")/../support/tap.sh"
case $BUILD in */san)
	skip_all "the sanitised build is not meant to be installed"
	;;
esac
run() {
	"$@" > "$folder/log" 2>&1
}
zstd -q -d -o "$folder/core" fixtures/bookworm-small-abort/core.zst
"$COREHEAP" summary --all --reproducible "$folder/core" > "$folder/want"

package() {
	# shellcheck disable=SC2086
	run make --no-print-directory ${MAKE_SWITCHES:-} deb
	result $? "make deb succeeds"
	deb=$(echo "$BUILD"/deb/coreheap_*.deb)
	sum=$(sha256sum < "$deb")
	# shellcheck disable=SC2086
	(umask 077 && TZ=Asia/Tokyo run make --no-print-directory ${MAKE_SWITCHES:-} deb)
	[ "$sum" = "$(sha256sum < "$deb")" ]
	result $? "it makes the same bytes twice"
	run dpkg-deb -x "$deb" "$folder/root"
	(cd "$folder/root" && dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./md5sums | md5sum -c --quiet -) \
		> "$folder/log" 2>&1
	result $? "its sums are those of its files"
	(cd "$folder/root" && find . -type f | sed 's|[^/]*$||' | sort -u) > "$folder/log"
	cat > "$folder/folders" << 'END'
./usr/bin/
./usr/lib/systemd/system/
./usr/libexec/
./usr/share/bash-completion/completions/
./usr/share/coreheap/schema/
./usr/share/doc/coreheap/
./usr/share/doc/coreheap/docs/
./usr/share/fish/vendor_completions.d/
./usr/share/man/man1/
./usr/share/zsh/vendor-completions/
END
	LC_ALL=C sort "$folder/log" | cmp -s - "$folder/folders"
	result $? "files are in these folders and in no others"
	dpkg-deb -c "$deb" > "$folder/log"
	! grep -vE '^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x) root/root ' "$folder/log"
	result $? "they belong to root, who alone may write them"
	dpkg-deb -f "$deb" > "$folder/log"
	grep -q '^Depends: .*libdw1' "$folder/log" && grep -q '^Depends: .*libc6 (>= ' "$folder/log" &&
		! grep -q '@[a-z]*@' "$folder/log"
	result $? "it says which libraries it needs"
	"$folder/root/usr/bin/coreheap" summary --all --reproducible "$folder/core" > "$folder/log" 2>&1
	cmp -s "$folder/log" "$folder/want"
	result $? "its program answers as the one that was built"
}

static() {
	# shellcheck disable=SC2086
	run make --no-print-directory ${MAKE_SWITCHES:-} static
	result $? "make static succeeds"
	readelf -ldW "$BUILD/coreheap-static" > "$folder/log" 2>&1
	! grep -qE 'NEEDED|INTERP' "$folder/log"
	result $? "it needs no library and no loader"
	mkdir "$folder/empty"
	cp "$BUILD/coreheap-static" "$folder/core" "$folder/empty/"
	: > "$folder/want"
	: > "$folder/log"
	name="it answers in an empty root as the other one does"
	if [ "$(id -u)" != 0 ]; then
		skip "$name" "only root may change the root"
		return
	fi
	# What asks for nothing that only the files of a system have.
	for command in heap "types --by size" "objects --jsonl" address; do
		# shellcheck disable=SC2086
		chroot "$folder/empty" /coreheap-static $command --reproducible /core >> "$folder/log" 2>&1
		# shellcheck disable=SC2086
		"$COREHEAP" $command --reproducible "$folder/core" >> "$folder/want"
	done
	cmp "$folder/log" "$folder/want" >> "$folder/log" 2>&1
	result $? "$name"
}

if command -v dpkg-deb > /dev/null && command -v dpkg-shlibdeps > /dev/null; then
	package
else
	skip "the package" "no dpkg-deb or no dpkg-shlibdeps"
fi
for library in dw elf jansson zstd lzma z lz4 bz2; do
	case $("${CC:-cc}" -print-file-name=lib$library.a) in
	/*) ;;
	*) lacking=lib$library.a ;;
	esac
done
# Debian 13's: functions of elfutils' own that no archive has.
symbols=$(nm "$("${CC:-cc}" -print-file-name=libdw.a)" 2> /dev/null | grep ' [TU] eu_tsearch$')
case $symbols in
*' T '*) ;;
*' U '*) lacking="eu_tsearch(), which libdw.a needs" ;;
esac
if [ -n "${lacking:-}" ]; then
	skip "the static program" "no $lacking"
else
	static
fi
echo "1..$count"
