#!/bin/sh
# What tests in sh print, and a folder of their own; read by them before all else.
count=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

result() { # result STATUS NAME; shows $folder/out and $folder/log when it failed
	count=$((count + 1))
	if [ "$1" = 0 ]; then echo "ok $count - $2"; else
		echo "not ok $count - $2"
		sed 's/^/# /' "$folder/out" "$folder/log" 2> /dev/null
	fi
}

skip() { # skip NAME WHY
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

skip_all() { # skip_all WHY
	echo "1..0 # SKIP $1"
	exit 0
}
