#!/usr/bin/env bash
# Who may include what: the folders of src depend downwards only, and each
# foreign library has its place; private headers are not reached by others either,
# and reports ask nothing of the heaps. Prints every offending line; exits 1 if any.
#
# usage: layering.sh [ROOT]	ROOT holds src/ and include/ (default: .)
set -euo pipefail
cd "${1:-.}"

awk_program='
function fail(why) {
	printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why
	failed = 1
}

# Folder of src a file belongs to; public headers belong to the folder they describe.
function layer_of(path,    parts) {
	if (path ~ /^include\/coreheap\//) {
		sub(/^include\/coreheap\//, "", path)
		return public_layer(path)
	}
	sub(/^src\//, "", path)
	if (path !~ /\//)
		return "main"
	split(path, parts, "/")
	return parts[1]
}

function public_layer(name) {
	sub(/\.h$/, "", name)
	if (name == "error" || name == "context")
		return "util"
	# The version and the session; what walkers know of code, what runtimes say of themselves,
	# and what their libraries manage.
	if (name == "coreheap" || name == "assembly" || name == "code" || name == "runtime" ||
	    name == "pools")
		return "heap"
	if (name == "leaks")
		return "graph"
	return name
}

function own_folder(path) {
	sub(/\/[^\/]*$/, "/", path)
	sub(/^src\//, "", path)
	return path
}

function foreign_ok(name, layer) {
	if (name ~ /^(libelf|gelf)\.h$/)
		return layer == "core" || layer == "sym" || layer == "debug"
	if (name == "dwarf.h")
		return layer == "sym" || layer == "debug" || layer == "types"
	if (name ~ /^(elfutils\/.*|libdw.*\.h)$/)
		return layer == "sym"
	if (name ~ /^jansson/)
		return layer == "report" || layer == "render" || FILENAME == "src/walkers/coreclr/descriptor.c"
	if (name ~ /^capstone/)
		return FILENAME == "src/analysis/decode.c"
	if (name ~ /^(zstd.*|lzma|zlib|lz4.*)\.h$/)
		return FILENAME == "src/core/codec.c" || (FILENAME == "src/render/gzip.c" && name == "zlib.h")
	return 1
}

function check_quoted(name, layer) {
	if (name ~ /\.inc$/) {
		if (FILENAME !~ /\/registry\.c$/)
			fail("generated tables are for registries")
		return
	}
	if (name ~ /(^|\/)\.\.?\//)
		return fail("includes are relative to src")
	target = layer_of("src/" name)
	if (!(target in rank) || target == "main")
		return fail("not a folder of src")
	if (name ~ /_priv\.h$/ && index(name, own_folder(FILENAME)) != 1)
		return fail("private to " target)
	if (rank[target] > rank[layer])
		return fail(layer " must not know " target)
	if (layer == "walkers" && target != "util" && name != "heap/walker.h" && name != "heap/signs.h" &&
	    name != "heap/constants.h" &&
	    (index(name, own_folder(FILENAME)) != 1 || own_folder(FILENAME) == "walkers/"))
		fail("a walker knows heap/walker.h, signs.h and constants.h, util, public headers and its own folder")
}

# What a private header holds is no secret any more if a header that others include includes it.
function note_include(name) {
	if (FILENAME !~ /^src\//)
		return
	from = substr(FILENAME, 5)
	edges[from] = edges[from] " " name
}

# Private headers that path reaches by other headers.
function check_reach(path,    queue, first, last, known, names, n, i, at) {
	queue[first = last = 1] = path
	known[path] = 1
	while (first <= last) {
		at = queue[first++]
		n = split(edges[at], names, " ")
		for (i = 1; i <= n; i++) {
			if (names[i] in known)
				continue
			known[names[i]] = 1
			queue[++last] = names[i]
			if (at != path && names[i] ~ /_priv\.h$/ && index(names[i], own_folder("src/" path)) != 1) {
				printf "src/%s: reaches %s by %s: private to %s\n", path, names[i], at,
				       layer_of("src/" names[i])
				failed = 1
			}
		}
	}
}

BEGIN {
	count = split("util core sym debug map heap walkers index types graph analysis render report cmd main", order, " ")
	for (i = 1; i <= count; i++)
		rank[order[i]] = i
}

/^[ \t]*#[ \t]*include/ {
	layer = layer_of(FILENAME)
	if (!(layer in rank)) {
		fail("unknown layer " layer)
		next
	}
	name = $0
	quoted = name ~ /include[ \t]*"/
	sub(/^[^<"]*[<"]/, "", name)
	sub(/[>"].*$/, "", name)
	if (quoted) {
		note_include(name)
		if (FILENAME ~ /^include\//)
			fail("public headers include each other as <coreheap/...>")
		else
			check_quoted(name, layer)
	} else if (name ~ /^coreheap\//) {
		target = public_layer(substr(name, 10))
		if (!(target in rank))
			fail("not a public header")
		else if (rank[target] > rank[layer])
			fail(layer " must not know " target)
	} else if (!foreign_ok(name, layer))
		fail("this library does not belong into " layer)
}

# What is shown was found out before: a report that asks would find out itself.
/(ch_(heaps|graph)_[a-z_]+\()|(struct ch_(heaps|graph) \*)/ {
	if (layer_of(FILENAME) == "report" || layer_of(FILENAME) == "render")
		fail("a report asks neither heaps nor graph, src/analysis does")
}

END {
	for (path in edges)
		check_reach(path)
	exit failed
}
'

# shellcheck disable=SC2046 # no file of ours has a blank in its name
awk "$awk_program" $(find src include -name '*.[ch]' | sort)
