#!/bin/sh
# What tests in sh print; to be read by them once $folder is theirs.
count=0

result() { # result STATUS NAME; shows $folder/out and $folder/log when it failed
	count=$((count + 1))
	if [ "$1" = 0 ]; then echo "ok $count - $2"; else
		echo "not ok $count - $2"
		# shellcheck disable=SC2154 # set by who reads this
		sed 's/^/# /' "$folder/out" "$folder/log" 2> /dev/null
	fi
}

skip() { # skip NAME WHY
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}
