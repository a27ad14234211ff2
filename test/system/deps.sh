#!/bin/sh
# make deps: says what to install, installs it as root, or does nothing. dpkg-query,
# apt-get and id are stand-ins here; nothing of the system is touched.
set -u
. "$(dirname "$0")/../support/tap.sh"
mkdir "$folder/bin" "$folder/lists"
: > "$folder/lists/debian_Packages"
stand_in() { # stand_in NAME, script on stdin
	{ echo '#!/bin/sh'; cat; } > "$folder/bin/$1"
	chmod +x "$folder/bin/$1"
}
run_deps() {
	: > "$folder/log"
	PATH="$folder/bin:$PATH" LOG="$folder/log" MISSING="$1" USER_ID="$2" RENAMED="${3:-}" \
		make --no-print-directory deps APT_LISTS="$folder/lists" > "$folder/out" 2>&1 < /dev/null
}
stand_in dpkg-query << 'END'
while [ "${1#-}" != "$1" ]; do
	[ "$1" != -f ] || { format=$2 && shift; }
	shift
done
code=0
for name; do
	case " $MISSING " in
	*" $name "*) echo "dpkg-query: no packages found matching $name" >&2; code=1; continue ;;
	esac
	# A package that was never there is not known by the name of another release.
	case $name in *t64) case " $RENAMED " in *" $name "*) ;; *) code=1; continue ;; esac ;; esac
	case $format in *Status-Status*) printf 'installed\n' ;; *) printf 'ii ' ;; esac
done
exit $code
END
stand_in apt-get << 'END'
echo "apt-get $*" >> "$LOG"
END
stand_in id << 'END'
echo "$USER_ID"
END

run_deps "" 1000
status=$?
[ $status = 0 ] && [ ! -s "$folder/log" ] && [ ! -s "$folder/out" ]
result $? "nothing missing: nothing said, nothing done"

run_deps "libdw-dev" 1000 "libdw-devt64"
status=$?
[ $status = 0 ] && [ ! -s "$folder/log" ] && [ ! -s "$folder/out" ]
result $? "there by its name since Debian 13: nothing missing"

run_deps "jq libdw-dev" 1000
status=$?
[ $status != 0 ] && [ ! -s "$folder/log" ] &&
	grep -q 'apt-get install .*libdw-dev' "$folder/out" &&
	grep -q 'apt-get install .*jq' "$folder/out"
result $? "not root: the exact command, and an end"

grep 'apt-get install' "$folder/out" | grep -qvw gdb
result $? "not root: only what is missing is named"

run_deps "jq libdw-dev" 0
status=$?
[ $status = 0 ] && grep -q 'apt-get .*install.* libdw-dev jq\|apt-get .*install.* jq libdw-dev' \
	"$folder/log"
result $? "root: what is missing is installed"

rm "$folder/lists/debian_Packages"
run_deps "jq" 0
status=$?
[ $status = 0 ] && head -n 1 "$folder/log" | grep -q ' update$' &&
	tail -n 1 "$folder/log" | grep -q ' install .*jq'
result $? "root: without package lists they are fetched first"
: > "$folder/lists/debian_Packages"

stand_in apt-get << 'END'
echo "apt-get $*" >> "$LOG"
case " $* " in *" install "*) [ "$(grep -c install "$LOG")" -gt 1 ] ;; esac
END
run_deps "jq" 0
status=$?
[ $status = 0 ] && grep -q 'update' "$folder/log"
result $? "root: when installing fails, the package lists are fetched anew"

stand_in apt-get << 'END'
echo "apt-get $*" >> "$LOG"
exit 100
END
! run_deps "jq" 0
result $? "root: a failed installation is a failure"

echo "1..$count"
