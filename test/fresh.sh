#!/bin/sh
# make check-fresh: what a newcomer has, and does. For each release a minimal Debian (debootstrap,
# make, gcc, git) under build/fresh, a clone of HEAD in it, `make demo` and `make check` there; and the
# Debian package that it builds, installed, run and removed in a second one without a compiler.
# usage: fresh.sh RELEASE...
#
# All of it happens in mount and process namespaces of its own, which the kernel ends with the
# last process: no mount and no process is left, whatever happens. /proc/sys and /sys are
# read-only there: a test that changes the machine fails.
#
# FRESH_MIRROR   a Debian mirror; otherwise the one of this system's apt
# FRESH_KEEP=1   keep the folder of each release, to look into it (`make clean` removes it)
# FRESH_CHECK    what to run instead of `make check`
set -eu
cd "$(dirname "$0")/.."
log_folder=$PWD/build/fresh

die() {
	echo "check-fresh: $*" >&2
	exit 1
}

# The site of Debian's own packages that apt uses, and not the one of security updates.
mirror_of_apt() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' |
		awk '$2 !~ /-/ { sub("/$", "", $1); print $1; exit }'
}

# In the namespaces: a minimal system, where /proc/sys and /sys cannot be changed.
make_system() { # make_system RELEASE ROOT PACKAGES
	debootstrap --variant=minbase --include="$3" "$1" "$2" "$FRESH_MIRROR"
	# Names that the system knows without asking anybody, perhaps the mirror's.
	cp /etc/hosts "$2/etc/hosts"
	mountpoint -q "$2/proc" || mount -t proc proc "$2/proc"
	mount --bind -o ro "$2/proc/sys" "$2/proc/sys"
	mount -o remount,bind,ro "$2/proc/sys"
	mountpoint -q "$2/sys" || mount -t sysfs -o ro sysfs "$2/sys"
	mount -t tmpfs tmpfs "$2/dev/shm"
	mountpoint -q "$2/dev/pts" || mount -t devpts devpts "$2/dev/pts"
}

within() { # within ROOT COMMAND
	echo "\$ $2"
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		TERM=dumb DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} \
		${https_proxy:+https_proxy="$https_proxy"} \
		chroot "$1" sh -c "$2"
}

# What README says, in a new system; then the package in another one, that has nothing else.
inside() { # inside RELEASE FOLDER
	root=$2
	make_system "$1" "$root" make,gcc,git,ca-certificates
	git clone --quiet --no-hardlinks . "$root/root/coreheap"
	within "$root" "cd /root/coreheap && make demo"
	within "$root" "cd /root/coreheap && make deb"
	clean=$root/clean
	make_system "$1" "$clean" ca-certificates
	cp "$root"/root/coreheap/build/deb/coreheap_*.deb fixtures/bookworm-small-abort/core.zst "$clean/root/"
	within "$clean" "apt-get -q update && apt-get -q -y --no-install-recommends install /root/coreheap_*.deb"
	within "$clean" "coreheap summary /root/core.zst && coreheap types --limit 5 /root/core.zst"
	within "$clean" "apt-get -q -y purge coreheap && rm /root/coreheap_*.deb"
	left=$(find "$clean" -xdev -name '*coreheap*' -not -path '*/var/log/*' -not -path '*/var/cache/*')
	[ -z "$left" ] || die "the package left behind: $left"
	# What the last line says is the result of the tests.
	within "$root" "cd /root/coreheap && ${FRESH_CHECK:-make check}"
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
	exit
fi

[ "$(id -u)" = 0 ] || die "needs root, to make systems under build/fresh and mount /proc in them"
for tool in debootstrap unshare git; do
	command -v "$tool" > /dev/null || die "needs $tool: apt-get install debootstrap util-linux git"
done
FRESH_MIRROR=${FRESH_MIRROR:-$(mirror_of_apt)}
[ -n "$FRESH_MIRROR" ] || die "apt knows no Debian mirror here; name one with FRESH_MIRROR"
export FRESH_MIRROR
[ -z "$(git status --porcelain -uno)" ] ||
	echo "check-fresh: there are changes that are not committed; only what HEAD has is tried" >&2

failed=0
mkdir -p "$log_folder"
for release in "$@"; do
	root=$log_folder/$release
	log=$root.log
	rm -rf --one-file-system "$root"
	if unshare --mount --pid --fork --kill-child "$0" --inside "$release" "$root" \
		> "$log" 2>&1 < /dev/null; then
		status=passed
	else
		status="FAILED (build/fresh/$release.log)"
		failed=1
	fi
	[ "${FRESH_KEEP:-0}" = 1 ] || rm -rf --one-file-system "$root"
	echo "$release: $status: $(tail -n 1 "$log")"
done
exit $failed
