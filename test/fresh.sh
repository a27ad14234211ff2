#!/bin/sh
# make check-fresh: what a newcomer has, and does. For each release a minimal Debian (debootstrap,
# make, gcc, git) under build/fresh, a clone of HEAD in it, `make demo` and `make check` there.
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

# In the namespaces: make the system, and do in it what README says.
inside() { # inside RELEASE FOLDER
	release=$1
	root=$2
	debootstrap --variant=minbase --include=make,gcc,git,ca-certificates "$release" "$root" \
		"$FRESH_MIRROR"
	git clone --quiet --no-hardlinks . "$root/root/coreheap"
	# Names that the system knows without asking anybody, perhaps the mirror's.
	cp /etc/hosts "$root/etc/hosts"
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
	mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
	mount -o remount,bind,ro "$root/proc/sys"
	mountpoint -q "$root/sys" || mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs tmpfs "$root/dev/shm"
	mountpoint -q "$root/dev/pts" || mount -t devpts devpts "$root/dev/pts"
	for command in "make demo" "${FRESH_CHECK:-make check}"; do
		echo "\$ $command"
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
			TERM=dumb ${http_proxy:+http_proxy="$http_proxy"} \
			${https_proxy:+https_proxy="$https_proxy"} \
			chroot "$root" sh -c "cd /root/coreheap && $command"
	done
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
