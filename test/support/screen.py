#!/usr/bin/env python3
"""docs/summary.svg: what `coreheap summary` prints of the core of `make demo`, as a picture.

usage: python3 test/support/screen.py > docs/summary.svg

The program of fixtures/leaky is built, dumped while it runs, and asked for; what is bold there is
bold here. Letters are put on a grid, so that any fixed font does.
"""
import html
import os
import re
import shutil
import subprocess
import sys

from fixture import COREHEAP, folder
from tap import repo

COLUMNS = 80
CELL, LINE, MARGIN, BAR = 8.4, 19, 18, 30
STYLE = """
.page{fill:#fdfdfc;stroke:#c9c9c4}.dot{fill:#c9c9c4}
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
fill:#24292f;white-space:pre}
.bold{font-weight:bold}.typed{fill:#0b5a8f}.bar{fill:#0072b2}.dim{fill:#6a737d}
@media(prefers-color-scheme:dark){.page{fill:#16191d;stroke:#3b4149}.dot{fill:#4a5159}
text{fill:#d8dee4}.typed{fill:#7cc4f5}.bar{fill:#56b4e9}.dim{fill:#8b949e}}"""
# Bold text, and the bar at the end of a line.
PARTS = re.compile(r"\x1b\[1m(?P<bold>.*?)\x1b\[0?m|(?<=  )(?P<bar>#+)$", re.S)


def demo_core(where):
    """Dump the program of the demo; the name of its core."""
    source = os.path.join(repo(), "fixtures", "leaky", "leaky.c")
    subprocess.run([os.environ.get("CC") or "cc", "-g", "-O1", "-pthread", "-o", "leaky", source],
                   check=True, cwd=where)
    with subprocess.Popen(["./leaky"], cwd=where, env={}, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        subprocess.run(["gcore", "-o", "core", str(process.pid)], cwd=where, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process.kill()
    return "core.%d" % process.pid


def spread(text):
    """Bold parts that go over the ends of lines, begun and ended in each."""
    return re.sub(r"\x1b\[1m(.*?)\x1b\[0?m",
                  lambda found: "\n".join("\x1b[1m%s\x1b[0m" % line if line else ""
                                          for line in found[1].split("\n")), text, flags=re.S)


def pieces(line):
    """[(class, text)] of a line."""
    found, at = [], 0
    for match in PARTS.finditer(line):
        found += [("", line[at:match.start()]), (match.lastgroup, match[match.lastgroup])]
        at = match.end()
    found.append(("", line[at:]))
    return [(kind, text) for kind, text in found if text]


def draw_line(line, y):
    """One line as <text>, each piece of it where its first letter belongs."""
    column, drawn = 0, ""
    for kind, text in pieces(line):
        bare = text.strip()
        x = MARGIN + CELL * (column + len(text) - len(text.lstrip()))
        column += len(text)
        if re.match(r"(next: )?coreheap ", bare):
            kind = "typed"
        if kind == "bar":
            drawn += '<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="9"/>' % (
                x, y - 9, CELL * len(text))
        elif bare:
            drawn += '<text x="%.1f" y="%d" textLength="%.1f"%s>%s</text>' % (
                x, y, CELL * len(bare), ' class="%s"' % kind if kind else "", html.escape(bare))
    return drawn


def draw(command, text):
    lines = spread(text).rstrip("\n").split("\n")
    width = int(2 * MARGIN + CELL * COLUMNS)
    height = BAR + LINE * (len(lines) + 2) + MARGIN
    drawn = [draw_line("\x1b[1m$ %s\x1b[0m" % command, BAR + LINE)]
    drawn += [draw_line(line, BAR + LINE * (i + 3)) for i, line in enumerate(lines)]
    bare = re.sub(r"\x1b\[[0-9]*m", "", text)
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img" '
        'aria-labelledby="name what">' % (width, height, width),
        '<title id="name">%s</title>' % html.escape("$ " + command),
        '<desc id="what">%s</desc>' % html.escape(bare),
        "<style>%s</style>" % STYLE,
        '<rect class="page" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>' % (width - 1,
                                                                                 height - 1),
        "".join('<circle class="dot" cx="%d" cy="16" r="5"/>' % x for x in (20, 38, 56)),
        *[line for line in drawn if line], "</svg>\n"])


def main():
    where = folder()
    core = demo_core(where)
    done = subprocess.run([COREHEAP, "summary", "--color", "always", core], cwd=where, check=True,
                          capture_output=True, text=True, env={"COLUMNS": str(COLUMNS)})
    sys.stdout.write(draw("coreheap summary " + core, done.stdout))
    shutil.rmtree(where)


if __name__ == "__main__":
    main()
