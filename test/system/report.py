#!/usr/bin/env python3
"""Pages with pictures: that they are well-formed and need nothing else, that shapes are the numbers
that documents have, that no name of a core becomes markup, and that a file is whole or as it was."""
import base64
import hashlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fixture import COREHEAP, coreheap, folder, run_bounded, unpack  # noqa: E402
from tap import Tap  # noqa: E402

SMALL = "bookworm-small-abort"
PAGE_MAX = 2 << 20
# What the first level of the treemap unites of the accounting.
GROUPS = {
    "malloc": ["heap_used", "heap_used_mmapped", "heap_free", "heap_top", "heap_overhead",
               "heap_not_walked"],
    "managed heap": ["managed_live", "managed_dead", "managed_used", "managed_free",
                     "managed_heap", "managed_views"],
    "stacks": ["stacks", "stack_guards", "tls"],
    "programs": ["image", "bss"],
}


def parse(page):
    """The page as a tree of elements: it is well-formed XML but for its first line."""
    begin = "<!DOCTYPE html>\n"
    assert page.startswith(begin)
    return ElementTree.fromstring(page[len(begin):])


def picture(tree, name):
    return next(node for node in tree.iter("svg") if node.get("id") == name)


def shapes(tree, name):
    """[(number, title, first rectangle)] of a picture."""
    return [(int(node.get("data-bytes")), node.find("title").text,
             {key: float(value) for key, value in node.find("rect").attrib.items()
              if key in ("x", "y", "width", "height")})
            for node in picture(tree, name).iter("g")]


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def check_page(tap, what, page):
    """What is so of each page."""
    tree = parse(page)
    tap.ok(not re.search(r"https?:|\bsrc\s*=|@import|url\((?!#)|<link|<iframe|<object|<img|"
                         r"\son[a-z]+\s*=\s*\"", page), "%s: it asks for nothing" % what)
    tap.ok(not any("style" in node.attrib for node in tree.iter()),
           "%s: nothing has a style of its own" % what)
    policy = next(node.get("content") for node in tree.iter("meta")
                  if node.get("http-equiv") == "Content-Security-Policy")
    hashes = ["style-src 'sha256-%s'" % digest(next(tree.iter("style")).text),
              "script-src 'sha256-%s'" % digest(next(tree.iter("script")).text)]
    tap.ok(policy.startswith("default-src 'none'; ") and all(word in policy for word in hashes),
           "%s: the policy knows the style and the script" % what, (policy, hashes))
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    links = [node.get("href") for node in tree.iter("a")]
    tap.ok(len(ids) == len(set(ids)) and all(link[1:] in ids for link in links if link) and links,
           "%s: each link leads to a place of the page" % what, links)
    told = [node for node in tree.iter("g") if node.get("role") == "img"]
    tap.ok(told and all(node.find("title").text for node in told) and
           all(node.get("aria-label") and node.get("tabindex") == "0"
               for node in tree.iter("svg") if node.get("id")),
           "%s: each picture and shape says what it is" % what)
    tap.ok(len(page.encode()) < PAGE_MAX, "%s: it is below 2 MB" % what, len(page))
    return tree


def check_levels(rows, of, whole):
    """What is wrong with rows in levels: each is the sum of what is inside of it."""
    wrong, open_rows = [], [[whole, 0, "all"]]
    for row in [*rows, {"level": 0, of: 0}]:
        while len(open_rows) > row["level"] + 1:
            bytes_of, inside, name = open_rows.pop()
            wrong += [(name, bytes_of, inside)] if inside not in (0, bytes_of) else []
        open_rows[-1][1] += row[of]
        open_rows.append([row[of], 0, row])
    if open_rows[0][1] != whole:
        wrong.append(("all", whole, open_rows[0][1]))
    return wrong


def check_numbers(tap, what, core, tree):
    """Shapes are the rows of the document, and these close with what other commands say."""
    doc = json.loads(coreheap("report", "--json", core).out)
    summary = json.loads(coreheap("summary", "--json", core).out)
    rows = {row["name"]: row["touched_bytes"] for row in summary["accounting"]["rows"]}
    tiles = doc["treemap"]
    touched = summary["accounting"]["touched_bytes"] - summary["verdict"]["read_only_files_bytes"]
    tap.ok(doc["touched_bytes"] == touched and check_levels(tiles, "touched_bytes", touched) == [],
           "%s: the treemap is the touched memory, level by level" % what,
           check_levels(tiles, "touched_bytes", touched))
    first = {tile["usage"]: tile["touched_bytes"] for tile in tiles if tile["level"] == 0}
    for usage, names in GROUPS.items():
        tap.equal(first.get(usage, 0), sum(rows[name] for name in names),
                  "%s: %s are rows of the accounting" % (what, usage))
    drawn = shapes(tree, "map-picture")
    wanted = [tile["touched_bytes"] for tile in tiles]
    tap.ok([row[0] for row in drawn] == [bytes_of for bytes_of in wanted if bytes_of in
                                         {row[0] for row in drawn}] and
           len(drawn) > len(wanted) * 0.9, "%s: shapes have the numbers of the document" % what)
    areas = {title.split(":")[0]: (bytes_of, at["width"] * at["height"])
             for bytes_of, title, at in drawn}
    off = [(name, bytes_of, area) for name, (bytes_of, area) in areas.items() if name in first and
           bytes_of > doc["touched_bytes"] / 20 and
           abs(area / (1200 * 560) - bytes_of / doc["touched_bytes"]) > 0.02]
    tap.equal(off, [], "%s: areas are as large as the numbers" % what)
    check_tree(tap, what, doc, tree)
    check_rest(tap, what, core, doc)


def check_tree(tap, what, doc, tree):
    if not doc["dominators"]:
        return
    wrong = [row for row in doc["dominators"] if row["retained_bytes"] < row["self_bytes"]]
    tap.equal(wrong, [], "%s: what is held is more than what holds it" % what)
    levels = []
    for row in doc["dominators"]:
        levels = levels[:row["level"]] + [row]
        if row["level"]:
            levels[row["level"] - 1].setdefault("inside", []).append(row["retained_bytes"])
    lacking = [row for row in doc["dominators"] if "inside" in row and
               row["self_bytes"] + sum(row["inside"]) != row["retained_bytes"]]
    tap.equal(lacking, [], "%s: own bytes and those of branches are all that a branch holds" % what)
    tap.equal(sum(row["retained_bytes"] for row in doc["dominators"] if row["level"] == 0),
              doc["held_bytes"], "%s: the first branches are all of it" % what)
    widths = [(bytes_of, at["width"], 1200 * bytes_of / doc["held_bytes"])
              for bytes_of, _, at in shapes(tree, "tree-picture")]
    tap.equal([row for row in widths if abs(row[1] - row[2]) > 0.11], [],
              "%s: branches are as wide as what they hold" % what)


def check_rest(tap, what, core, doc):
    """The address space, sizes and threads against the commands that are about them."""
    space = json.loads(coreheap("address", "--json", core).out)["address_space"]
    tap.equal(sum(row["mapped_bytes"] for row in doc["address_space"]) + doc["reserved_bytes"],
              space["busy_bytes"], "%s: stretches and reservations are what is mapped" % what)
    ends = [(row["addr"], row["end"]) for row in doc["address_space"]]
    tap.ok(all(int(a[1], 16) <= int(b[0], 16) for a, b in zip(ends, ends[1:])),
           "%s: stretches ascend" % what)
    types = json.loads(coreheap("types", "--json", core).out)["types"]
    tap.equal(sum(row["used_bytes"] for row in doc["size_classes"]),
              sum(row["total_bytes"] for row in types if row["kind"] == "object"),
              "%s: blocks by size are the used blocks" % what)
    heaps = json.loads(coreheap("heap", "--json", core).out)["heaps"]
    tap.equal(sum(row["used_count"] for row in doc["size_classes"]),
              sum(row["count"] for row in types if row["kind"] == "object"),
              "%s: and as many (of %d heaps)" % (what, len(heaps)))
    groups = json.loads(coreheap("threads", "--json", core).out)["groups"]
    tap.equal([(row["fingerprint"], row["count"]) for row in doc["threads"]],
              [(row["fingerprint"], row["count"]) for row in groups],
              "%s: threads are the groups of `threads`" % what)


def test_core(tap, what, core):
    result = coreheap("report", core)
    tap.ok(result.code == 0 and not result.err, "%s: a page" % what, result.err)
    tree = check_page(tap, what, result.out)
    check_numbers(tap, what, core, tree)
    tap.equal(coreheap("report", "--threads", "1", core).out, result.out,
              "%s: the same bytes, whatever the number of threads" % what)


def write_over(core, pairs):
    """A copy of a core with other bytes in the place of some."""
    path = os.path.join(folder(), "core")
    with open(core, "rb") as file:
        data = file.read()
    for old, new in pairs:
        assert len(old) == len(new) and old in data, old
        data = data.replace(old, new)
    with open(path, "wb") as file:
        file.write(data)
    return path


def test_hostile(tap):
    core = write_over(unpack(SMALL), [
        (b"small\0\0\0\0\0\0\0\0\0\0\0", b"</script>\"'&\x01\xff\0\0")])
    result = coreheap("report", core)
    tree = check_page(tap, "a hostile process", result.out)
    tap.ok("</script>\"'&\\x01\\xff" in "".join(tree.itertext()) and
           "&lt;/script&gt;&quot;&#39;&amp;\\x01" in result.out,
           "the name of a process is text, and no control byte")
    core = write_over(unpack("dotnet-cores", "10.0.12"), [
        (b"\0Finalizable\0", b"\0<b>&\"'</b>x\0"), (b"/librt.so.1\0", b"/<i>\xff\"'&>xy\0")])
    result = coreheap("report", core)
    text = "".join(check_page(tap, "hostile types and files", result.out).itertext())
    tap.ok("Story.<b>&\"'</b>x" in text, "so is that of a type")
    tap.ok("<i>\\xff\"'&>xy" in text, "and that of a file")


def test_two(tap):
    cores = [unpack(SMALL), unpack("trixie-small-abort")]
    result = coreheap("report", *cores)
    tap.ok(result.code == 0 and not result.err, "a page of two dumps", result)
    tree = check_page(tap, "two dumps", result.out)
    doc = json.loads(coreheap("diff", "--json", *cores).out)
    for axis, name in (("types", "types-picture"), ("regions", "regions-picture"),
                       ("heaps", "heaps-picture")):
        wanted = [row["delta_bytes"] for row in doc[axis] if row["state"] != "same"][:25]
        tap.equal([row[0] for row in shapes(tree, name)], wanted,
                  "bars of %s are the differences" % axis)
    growths = doc["growths"][:10]
    tap.equal([row[0] for row in shapes(tree, "most-picture")],
              [growth["delta_bytes"] for growth in growths], "what grew most is each growth once")
    text = " ".join("".join(tree.itertext()).split())
    tap.ok(growths and all(part["name"] in text for growth in growths
                           for part in growth["parts"][:3]), "and of what it is made")
    tap.equal(json.loads(coreheap("report", "--json", *cores).out), doc,
              "its numbers are those of diff")
    tap.equal(coreheap("report", *cores).out, result.out, "the same bytes each time")


def test_output(tap):
    core, where = unpack(SMALL), folder()
    page = coreheap("report", core).out
    path, link = os.path.join(where, "out.html"), os.path.join(where, "link.html")
    with open(path, "w", encoding="ascii") as file:
        file.write("as it was")
    bad = os.path.join(where, "bad")
    with open(bad, "w", encoding="ascii") as file:
        file.write("no core")
    result = coreheap("report", "-o", path, bad)
    with open(path, encoding="utf-8") as file:
        tap.ok(result.code == 3 and file.read() == "as it was", "no answer leaves a file as it was")
    os.symlink(path, link)
    result = coreheap("report", "-o", link, core)
    with open(path, encoding="utf-8") as file:
        tap.ok(result.code == 0 and not result.out and file.read() == page and os.path.islink(link),
               "-o writes the page, through a link", result)
    tap.equal(coreheap("report", "-o", "-", core).out, page, "-o - is standard output")
    result = coreheap("report", "-o", "/dev/full", core)
    tap.ok(result.code == 5 and "/dev/full: cannot write" in result.err, "a full disk is told",
           result)
    result = coreheap("report", "-o", os.path.join(where, "none", "out.html"), core)
    tap.ok(result.code == 5 and "No such file" in result.err, "so is a folder that is not there",
           result)
    tap.equal(sorted(os.listdir(where)), ["bad", "link.html", "out.html"], "nothing else is left")
    first, second = pty.openpty()
    done = subprocess.run([COREHEAP, "report", core], stdin=subprocess.DEVNULL, stdout=second,
                          stderr=subprocess.PIPE, check=False)
    os.close(second)
    os.close(first)
    tap.ok(done.returncode == 2 and b"-o" in done.stderr, "a terminal gets no page", done.stderr)


def test_browser(tap):
    browser = shutil.which("chromium")
    if not browser:
        tap.skip("the page in a browser", "chromium is not installed")
        return
    where = folder()
    path = os.path.join(where, "out.html")
    coreheap("report", "-o", path, unpack(SMALL))
    done = run_bounded([browser, "--headless", "--no-sandbox", "--disable-gpu",
                        "--user-data-dir=" + where, "--enable-logging=stderr", "--dump-dom",
                        "file://" + path], 120)
    said = [line for line in done.stderr.decode().splitlines() if "CONSOLE" in line]
    tap.ok(b"map-picture" in done.stdout and not said, "a browser takes style and script", said)


def main():
    tap = Tap()
    for what, core in ((SMALL, unpack(SMALL)), ("musl", unpack("musl-static-abort")),
                       (".NET", unpack("dotnet-cores", "10.0.12"))):
        tap.attempt(what, test_core, what, core)
    for test in (test_hostile, test_two, test_output, test_browser):
        tap.attempt(test.__name__, test)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
