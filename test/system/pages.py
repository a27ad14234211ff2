#!/usr/bin/env python3
"""Pages of the manual and completion in shells: made from the tables, whole, correct in form; every
example in them runs."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from documents import commands  # noqa: E402
from fixture import COREHEAP, ZSTD, coreheap, folder, unpack  # noqa: E402
from tap import Tap, repo  # noqa: E402

CORE = "bookworm-small-abort"
PAGES = os.path.join(os.environ.get("BUILD", os.path.join(repo(), "build")), "man")
# A type of a native program is known by debug information, which no checked in core has:
# shown by test/system/inside.py.
BY_DEBUG_INFORMATION = "coreheap show core.1234 'std::vector<Order>'"


def page(command=None):
    """The lines of a page."""
    name = "coreheap-%s.1" % command if command else "coreheap.1"
    with open(os.path.join(PAGES, name), encoding="utf-8") as file:
        return file.read().splitlines()


def plain(line):
    """A line without escapes of roff."""
    for escape, text in (("\\-", "-"), ("\\(aq", "'"), ("\\(ti", "~"), ("\\(ha", "^"), ("\\&", ""),
                         ("\\fB", ""), ("\\fR", ""), ("\\e", "\\")):
        line = line.replace(escape, text)
    return line


def sections(lines):
    """{title: its lines, without escapes}"""
    found = {}
    for line in lines:
        if line.startswith(".SH "):
            found[line[4:]] = rows = []
        elif found:
            rows.append(plain(line))
    return found


def helped(command):
    """What the help of a command says of its own options: spellings as it prints them."""
    text = coreheap(command, "--help").out if command else coreheap("--help").out
    rows = {}
    for block in re.findall(r"ptions(?:, before or after the command)?:\n((?:  .*\n)+)", text):
        for line in re.findall(r"^  (-.*?)(?:  |$)", block, re.M):
            rows[line] = block
    return rows


def check_whole(tap):
    tap.same_set(map(os.path.basename, glob.glob(os.path.join(PAGES, "*"))),
                 ["coreheap.1"] + ["coreheap-%s.1" % name for name in commands()],
                 "each command has a page, and nothing else has")
    for command in [None, *commands()]:
        name = command or "coreheap"
        parts = sections(page(command))
        lines = parts["GLOBAL OPTIONS"] + parts.get("OPTIONS", [])
        options = helped(command)
        tap.ok(len(options) > 15 and all(".B " + option in lines for option in options),
               "%s: all options of the help are in the page" % name,
               [option for option in options if ".B " + option not in lines])
        others = re.findall(r"\.BR coreheap-(\w+) \(1\)", "\n".join(parts["SEE ALSO"]))
        tap.ok(others and set(others) <= set(commands()) - {command},
               "%s: what it refers to are other commands" % name, others)
        done = coreheap(*([command] if command else []), "--man")
        tap.equal(done.out.splitlines(), page(command), "%s --man prints it" % name)


def check_form(tap):
    name = "mandoc -Tlint has nothing to say of the pages"
    if not shutil.which("mandoc"):
        tap.skip(name, "no mandoc")
        return
    done = subprocess.run(["mandoc", "-Tlint", *sorted(glob.glob(os.path.join(PAGES, "*.1")))],
                          capture_output=True, text=True, check=False)
    tap.ok(done.returncode == 0 and not done.stdout and not done.stderr, name,
           done.stdout + done.stderr)


def managed():
    """A core of .NET, unpacked."""
    core = os.path.join(folder(), "managed.core")
    subprocess.run(ZSTD + ["-o", core, os.path.join(repo(), "fixtures/dotnet-cores/10.0.12.zst")],
                   check=True)
    return core


def of_managed(core):
    """What stands for names and addresses of a program on .NET, in a core of another one."""
    types = json.loads(coreheap("types", "--json", "--limit", "0", core).out)["types"]
    sample = {row["name"]: row["sample_addr"] for row in types}
    methods = json.loads(coreheap("methods", "--json", core, "Story.Program.Main").out)["methods"]
    failure = next(addr for name, addr in sorted(sample.items())
                   if re.fullmatch(r"System\.\w+Exception", name))
    return {"Shop.Program.Main": "Story.Program.Main", "Shop.Cart.Add": "Story.Cache.get_Instance",
            "Shop.Cart": "Story.Cache", "Shop.Program.s_orders": "Story.Cache.s_multiplexer",
            "MyCompany.Program": "Story.Cache", "0x7f78b9681b24": methods[0]["addr"],
            "0x7f2b18009c50": sample["Story.Multiplexer"],
            "_entries[3].value": "Error._invocationList[0]", "OutOfMemoryError": "Exception",
            "0x7f6ced005120": failure,
            # Its name would be that of a file which this system need not have.
            "malloc": "Story.Cache.get_Instance"}


def of_native(core):
    """The same for a core of a native program."""
    row = json.loads(coreheap("types", "--json", "--limit", "1", core).out)["types"][0]
    thread = json.loads(coreheap("threads", "--json", core).out)["threads"][0]
    return {"0x55fca1fae970": row["sample_addr"], "0x7f44044fb96a": row["sample_addr"],
            "1240": str(thread["tid"]), "/srv/image": folder(),
            "136-byte blocks": row["name"], "libc+0x1d2cc0": thread["pc"]}


def substituted(text, words):
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, words[word])
    return text


def check_examples(tap):
    native, net = os.path.abspath(unpack(CORE)), managed()
    packed = os.path.join(repo(), "fixtures", CORE, "core.zst")
    names, native_names = of_managed(net), of_native(native)
    files = {name: native for name in ("monday.core", "friday.core", "a.core", "b.core", "c.core")}
    files.update({name: os.path.join(folder(), name) for name in ("held.folded", "held.pb.gz")})
    files.update({"core.1234.zst": packed, "*.core.zst": packed})
    run = 0
    for command in [None, *commands()]:
        for line in sections(page(command))["EXAMPLES"]:
            if line.startswith(".") or line == BY_DEBUG_INFORMATION:
                continue
            text = re.split(r"\s{2,}", line)[0]
            is_net = any(name in text for name in names)
            words = dict(names if is_net else native_names)
            words.update(files)
            words["core.1234"] = net if is_net else native
            done = subprocess.run(["bash", "-c", "set -o pipefail; coreheap() { '%s' \"$@\"; }; %s" % (
                COREHEAP, substituted(text, words))], capture_output=True, text=True, check=False,
                stdin=subprocess.DEVNULL, cwd=folder())
            run += 1
            tap.ok(done.returncode == 0 and line.startswith("coreheap"), "%s: it runs" % text,
                   done.stdout[:500] + done.stderr)
    tap.ok(run > 50, "there are examples", run)


def closed(command):
    """(option, values) of each option of a command, or of all, that has a closed set of them."""
    for spelled in helped(command):
        found = re.match(r"(--[a-z-]+ |-[a-z]:)([a-z0-9|-]+)(,\.\.\.)?(?:,|$)", spelled)
        if found and (not command or spelled not in helped(None)):
            yield found[1], found[2].split("|")


def check_values(tap):
    """What the tables call all values are values, and nothing else is one."""
    core = unpack(CORE)
    rows = [(command or "info", *row) for command in [None, *commands()] for row in closed(command)
            if row[0] != "--completion "]
    tap.ok({"--by ", "-o:", "--color ", "--state "} <= {row[1] for row in rows},
           "there are options with closed sets", rows)
    for command, option, values in rows:
        more = ["--int", "1"] if command == "search" else []
        for value in [*values, "nothing"]:
            done = coreheap(command, core, *(option + value).split(), *more)
            if option == "--gen ":
                tap.ok("no generation '%s'" % value in done.err, "%s: --gen looks for %s" % (
                    command, value), done)
            else:
                tap.equal(done.code, 2 if value == "nothing" else 0,
                          "%s: %s%s" % (command, option, value))


def complete_bash(line, breaks="=:"):
    """Proposals of bash for the words of a line, the last of which is being typed; signs in
    breaks are words of their own, as COMP_WORDBREAKS has it."""
    words = [word for part in line.split(" ") for word in (
        re.findall("[%s]|[^%s]+" % (breaks, breaks), part) if part and breaks else [part])]
    script = coreheap("--completion", "bash").out
    script += "COMP_WORDS=(%s); COMP_CWORD=%d; _coreheap; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
        " ".join("'%s'" % word for word in words), len(words) - 1)
    done = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, check=False,
                          cwd=os.path.join(repo(), "fixtures"))
    return done.stdout.split() if not done.stderr else done.stderr


BY = ["basis", "holder", "loader", "module", "owner", "purpose", "site", "size"]
# What is typed, and what is proposed for the last word.
PROPOSED = [
    ("coreheap sum", ["summary"]),
    ("coreheap help whati", ["whatis"]),
    ("coreheap threads --gr", ["--group"]),
    ("coreheap info --verb", ["--verbose"]),
    ("coreheap --limit 5 --color never types --by-", ["--by-gen"]),
    ("coreheap types --by ", BY),
    ("coreheap types core --by s", ["site", "size"]),
    ("coreheap --color a", ["auto", "always"]),
    ("coreheap types --color n", ["never"]),
    ("coreheap types --sysroot leak", ["leaky"]),
    ("coreheap types core", []),
    ("coreheap objects --min", ["--min-size"]),
]


def check_bash(tap):
    for line, want in PROPOSED:
        tap.same_set(complete_bash(line), want, "bash: %s" % line)
    for breaks in ("=:", ""):
        head = "" if breaks else "--by="
        tap.same_set(complete_bash("coreheap types --by=", breaks), [head + word for word in BY],
                     "bash: --by= with COMP_WORDBREAKS '%s'" % breaks)
        head = "" if breaks else "-o:"
        tap.same_set(complete_bash("coreheap address -o:", breaks),
                     [head + word for word in ("csv", "tsv", "1")],
                     "bash: -o: with COMP_WORDBREAKS '%s'" % breaks)
    tap.same_set(complete_bash("coreheap types --state used,f"), ["used,free"], "bash: a list")
    tap.same_set(complete_bash("coreheap dumph"), ["dumpheap"], "bash: names of other tools")
    tap.same_set(complete_bash("coreheap diff --json"), ["--json", "--jsonl"], "bash: global options")


def check_fish(tap):
    if not shutil.which("fish"):
        tap.skip("fish proposes the same", "no fish")
        return
    script = os.path.join(folder(), "coreheap.fish")
    with open(script, "w", encoding="utf-8") as file:
        file.write(coreheap("--completion", "fish").out)
    for line, want in PROPOSED:
        done = subprocess.run(["fish", "--no-config", "-c", "source %s; complete -C '%s'" % (
            script, line)], capture_output=True, text=True, check=False,
            cwd=os.path.join(repo(), "fixtures"))
        got = {row.split("\t")[0].rstrip("/") for row in done.stdout.splitlines()}
        tap.ok(set(want) <= got and not done.stderr, "fish: %s" % line,
               "%s\n%s" % (got, done.stderr))


def check_zsh(tap):
    name = "zsh reads its script"
    if not shutil.which("zsh"):
        tap.skip(name, "no zsh")
        return
    script = os.path.join(folder(), "_coreheap")
    with open(script, "w", encoding="utf-8") as file:
        file.write(coreheap("--completion", "zsh").out)
    done = subprocess.run(["zsh", "-n", script], capture_output=True, text=True, check=False)
    tap.ok(done.returncode == 0 and not done.stderr, name, done.stderr)


def main():
    tap = Tap()
    for check in (check_whole, check_form, check_examples, check_values, check_bash, check_zsh,
                  check_fish):
        tap.attempt(check.__name__, check)
    done = coreheap("--completion", "csh")
    tap.ok(done.code == 2 and "bash, zsh and fish" in done.err and not done.out,
           "there is no completion for csh", done)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
