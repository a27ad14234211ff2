#!/usr/bin/env python3
"""Who calls whom, by the objects of a build: folders, and files within a folder.

A file knows another one if its object refers to a symbol that the other's
object defines. Files of one folder that know each other in a circle cannot be
read, tested or replaced one at a time, so there are none but those of EXCEPTIONS.

usage: circles.py [--graph] BUILD
  --graph   also print the calls between folders and, for each folder, its files
            from the lowest to the highest, with what each one calls
"""
import collections
import os
import subprocess
import sys

# A circle that is meant: its files, in any order, and why they are no worse for it.
EXCEPTIONS = {}


def symbols(objects):
    """{source: (defined, undefined)} of the objects, by one call of nm."""
    text = subprocess.run(["nm", "-A", "-P", "-g"] + objects, check=True,
                          capture_output=True, text=True).stdout
    found = {name: (set(), set()) for name in objects}
    for line in text.splitlines():
        name, rest = line.split(": ", 1)
        fields = rest.split()
        found[name][1 if fields[1] in "Uw" else 0].add(fields[0])
    return found


def edges_of(build):
    """{source: {source it calls: set of symbols}} for all files of src."""
    objects = sorted(os.path.join(folder, name)
                     for folder, _, names in os.walk(os.path.join(build, "src"))
                     for name in names if name.endswith(".o"))

    def source(name):
        return os.path.relpath(name, build)[:-2] + ".c"

    # Objects of files that are gone stay in a build folder.
    found = {source(name): value
             for name, value in symbols([o for o in objects if os.path.exists(source(o))]).items()}
    owner = {symbol: name for name, (defined, _) in found.items() for symbol in defined}
    edges = {name: collections.defaultdict(set) for name in found}
    for name, (_, undefined) in found.items():
        for symbol in undefined:
            if owner.get(symbol, name) != name:
                edges[name][owner[symbol]].add(symbol)
    return edges


def circles(nodes, successors):
    """Strongly connected components, callees first, by Tarjan without recursion."""
    index, low, on_stack, stack, result = {}, {}, set(), [], []
    for start in nodes:
        if start in index:
            continue
        work = [(start, iter(sorted(successors(start))))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            for after in rest:
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(sorted(successors(after)))))
                    break
                if after in on_stack:
                    low[node] = min(low[node], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    result.append(sorted(stack[at:]))
                    on_stack.difference_update(stack[at:])
                    del stack[at:]
    return result


def print_folders(edges):
    calls = collections.Counter()
    for name, others in edges.items():
        for other, used in others.items():
            calls[os.path.dirname(name), os.path.dirname(other)] += len(used)
    print("folders: symbols used")
    for (caller, callee), count in sorted(calls.items()):
        if caller != callee:
            print(f"  {caller} -> {callee}: {count}")


def print_circle(circle, edges):
    print(f"circle of {len(circle)}: {' '.join(circle)}")
    for name in circle:
        for other in circle:
            if other in edges[name]:
                used = " ".join(sorted(edges[name][other]))
                print(f"  {os.path.basename(name)} -> {os.path.basename(other)}: {used}")


def main():
    arguments = sys.argv[1:]
    graph = "--graph" in arguments
    arguments = [a for a in arguments if a != "--graph"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    edges = edges_of(arguments[0])
    if not edges:
        sys.exit(f"{arguments[0]} holds no objects of src")
    if graph:
        print_folders(edges)

    folders = collections.defaultdict(list)
    for name in sorted(edges):
        folders[os.path.dirname(name)].append(name)
    failed = False
    used = set()
    for folder, names in sorted(folders.items()):
        inside = set(names)
        found = circles(names, lambda name: [o for o in edges[name] if o in inside])
        if graph:
            print(f"{folder}:")
        for circle in found:
            if graph:
                for name in circle:
                    below = sorted(os.path.basename(o) for o in edges[name] if o in inside)
                    print(f"  {os.path.basename(name)}: {' '.join(below)}")
            if len(circle) == 1:
                continue
            reason = EXCEPTIONS.get(frozenset(circle))
            if reason:
                used.add(frozenset(circle))
                continue
            print_circle(circle, edges)
            failed = True
    for circle in EXCEPTIONS.keys() - used:
        if not any(name in edges for name in circle):
            continue
        print(f"no circle any more, take it out of EXCEPTIONS: {' '.join(sorted(circle))}")
        failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
