#!/usr/bin/env bash
# The tree speaks of no machine but the user's: no build folders of whoever
# wrote it, no hosts of package registries. Scripts parse. Each source file begins
# with what it is for.
set -euo pipefail
cd "${1:-.}"
failed=0

# The brackets keep the patterns from finding themselves.
pattern='(^|[^A-Za-z0-9_.]|-[IL])/(wor[k]|tmp/w[t]|tmp/hu[b])(/|[^A-Za-z0-9_-]|$)'
pattern+='|(deb|security|snapshot)[.]debian[.]or[g]|archive[.]ubuntu[.]co[m]|pypi[.]or[g]|pythonhosted[.]or[g]'
pattern+='|registry[.]npmj[s]|(^|[^a-z.])crates[.]i[o]|rubygems[.]or[g]|proxy[.]golang[.]or[g]|artifactor[y]'
if find . -path ./.git -prune -o -path ./build -prune -o -type f -print0 | sort -z |
	xargs -0 grep -nIE -- "$pattern"; then
	echo "these lines name a folder or a host that is not the user's" >&2
	failed=1
fi

while IFS= read -r -d '' source; do
	[ "$(head -c 2 "$source")" = '/*' ] ||
		{ echo "$source: does not begin with a comment that says what it is for" >&2 && failed=1; }
done < <(find ./src -name '*.c' -type f -print0 | sort -z)

while IFS= read -r -d '' script; do
	case $script:$(head -n 1 "$script") in
	*:'#!/usr/bin/env bash' | *:'#!/bin/bash') bash -n "$script" || failed=1 ;;
	*:'#!/bin/sh' | *:'#!/usr/bin/env sh') sh -n "$script" || failed=1 ;;
	*.py:*) python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' \
		"$script" || failed=1 ;;
	*) echo "$script: its first line names neither sh nor bash" >&2 && failed=1 ;;
	esac
	case $script in
	./test/system/* | ./test/lint/* | ./.ci/*)
		[ -x "$script" ] || { echo "$script: is not executable" >&2 && failed=1; } ;;
	esac
done < <(find ./.ci ./docs ./test ./fixtures \( -name '*.sh' -o -name '*.py' -o -path ./.ci/run \) -type f -print0 | sort -z)
exit $failed
