#!/bin/sh
# build.sh VERSION FOLDER - make FOLDER/coreheap_VERSION_ARCH.deb of what `make install-program` installs;
# called by `make deb`. dpkg-deb alone does it: the package has no scripts, no settings and no library,
# so that debhelper would add nothing but itself. What the program needs is found out by
# dpkg-shlibdeps (package dpkg-dev). The same sources make the same bytes: files have the day of the
# changelog.
set -eu
version=$1
folder=$2
here=docs/deb
root=$folder/root
arch=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=$(date -u -d "$(sed -n 's/^ -- .*>  //p' "$here/changelog" | head -n 1)" +%s)
export SOURCE_DATE_EPOCH

grep -q "^coreheap ($version) " "$here/changelog" ||
	{ echo "$here/changelog does not begin with version $version" >&2 && exit 1; }
rm -rf "$folder"
mkdir -p "$root/DEBIAN" "$folder/debian" "$root/usr/share/doc/coreheap/docs"
umask 022
"${MAKE:-make}" --no-print-directory -s install-program DESTDIR="$root" prefix=/usr \
	zshdir=/usr/share/zsh/vendor-completions
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/coreheap"
gzip -9n "$root"/usr/share/man/man1/*.1
# Beside the README as it has them, so that its links lead there.
cp README.md "$here/copyright" "$root/usr/share/doc/coreheap/"
cp docs/*.md docs/summary.svg "$root/usr/share/doc/coreheap/docs/"
gzip -9nc "$here/changelog" > "$root/usr/share/doc/coreheap/changelog.gz"

# dpkg-shlibdeps wants a source package around it.
printf 'Source: coreheap\n\nPackage: coreheap\nArchitecture: any\n' > "$folder/debian/control"
depends=$(cd "$folder" && dpkg-shlibdeps -O root/usr/bin/coreheap | sed 's/^shlibs:Depends=//')
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) > "$root/DEBIAN/md5sums"
size=$(du -sk --apparent-size "$root/usr" | cut -f 1)
sed -e "s|@version@|$version|; s|@arch@|$arch|; s|@size@|$size|; s|@depends@|$depends|" \
	"$here/control" > "$root/DEBIAN/control"
chmod -R u=rwX,go=rX "$root"
dpkg-deb --root-owner-group --build "$root" "$folder/coreheap_${version}_$arch.deb" > /dev/null
rm -rf "$root" "$folder/debian"
echo "  DEB    $folder/coreheap_${version}_$arch.deb"
