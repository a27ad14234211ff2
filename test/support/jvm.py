"""JDKs of this machine, programs of fixtures/jvm run under them and dumped."""
import functools
import glob
import os
import re
import subprocess

from fixture import folder, unlimited_core, wait_for
from tap import repo

# What the tools of a JDK are run with: they end before better code or more threads would pay.
# jhsdb reads a whole heap.
BRIEF = ["-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1"]
READING = BRIEF[:1]
SMALL = ["-Xmx32m", "-Xss256k", "-XX:ReservedCodeCacheSize=32m", "-XX:CompressedClassSpaceSize=16m"]


def jdks(*tools, since=0):
    """{release: folder} of the JDKs of this machine that can compile and have these tools."""
    found = {}
    for path in sorted(glob.glob("/usr/lib/jvm/*")):
        if os.path.islink(path) or not all(os.access(os.path.join(path, "bin", name), os.X_OK)
                                           for name in ("java", "javac", *tools)):
            continue
        text = subprocess.run([os.path.join(path, "bin", "java"), "-version"], check=False,
                              capture_output=True, text=True).stderr
        match = re.search(r'version "(\d+)', text)
        if match and int(match.group(1)) >= since:
            found[int(match.group(1))] = path
    return found


@functools.lru_cache(maxsize=None)
def has(jdk, *options):
    """Whether a build of the JDK knows options."""
    return subprocess.run([os.path.join(jdk, "bin", "java"), *options, "-version"], check=False,
                          capture_output=True).returncode == 0


def dumped(process, where, how, before=None, after=None, seconds=600):
    """The core of a Java process once it is ready; before(pid) is called right before, after(pid)
    right after, of one that gcore left alive."""
    try:
        wait_for(os.path.join(where, "ready"), process, seconds)
        if before:
            before(process.pid)
        if how == "gcore":
            subprocess.run(["gcore", "-o", os.path.join(where, "core"), str(process.pid)],
                           capture_output=True, check=True, stdin=subprocess.DEVNULL)
            if after:
                after(process.pid)
        else:
            process.send_signal(6)
            process.wait(seconds)
    finally:
        process.kill()
        process.wait()
    return glob.glob(os.path.join(where, "core*"))[0]


def tool(jdk, name, *arguments):
    """What a tool of a JDK prints."""
    return subprocess.run([os.path.join(jdk, "bin", name),
                           *(READING if name == "jhsdb" else BRIEF), *arguments],
                          capture_output=True, check=False).stdout.decode("utf-8", "replace")


@functools.lru_cache(maxsize=None)
def classes(jdk, program, classpath=None, flags=("-g",)):
    """The class path of a program of fixtures/jvm, which is compiled once in a test."""
    path = [folder()] + ([classpath] if classpath else [])
    subprocess.run([os.path.join(jdk, "bin", "javac"), *BRIEF, "-nowarn", *flags, "-cp",
                    ":".join(path), "-d", path[0],
                    os.path.join(repo(), "fixtures", "jvm", program + ".java")], check=True,
                   capture_output=True)
    return ":".join(path)


def start(jdk, where, how, options, command, out=subprocess.DEVNULL,
          err=subprocess.DEVNULL, environment=None):
    """A Java process in the folder where, about to be dumped so; command: a class path, a
    program and its arguments."""
    env = dict(environment or {})
    if how == "gcore":
        # It writes what is only reserved, too: 64 MiB of each of malloc's arenas, of which there
        # are more than ten, and 8 GiB of an older ZGC.
        env.setdefault("MALLOC_ARENA_MAX", "2")
    if "-XX:+UseZGC" in options:
        options = [*options, "-XX:+IgnoreUnrecognizedVMOptions", "-XX:ZMarkStackSpaceLimit=32m"]
    return subprocess.Popen([os.path.join(jdk, "bin", "java"), *options, "-cp", *command],
                            cwd=where, env=env, stdin=subprocess.DEVNULL, stdout=out,
                            stderr=err, preexec_fn=unlimited_core)


class Dump:
    """A program of fixtures/jvm, dumped under a JDK: its core, and what ask(jdk, pid) said of
    the process before, or after (of one that gcore leaves alive)."""

    def __init__(self, jdk, program, how, options, arguments=(), ask=None, after=None):
        where = folder()
        process = start(jdk, where, how, [*SMALL, *options],
                        [classes(jdk, program), program, *arguments])
        self.asked = None

        def question(of):
            def put(pid):
                self.asked = of(jdk, str(pid))
            return put if of else None
        self.core, self.folder = dumped(process, where, how, question(ask), question(after)), where


def netty():
    """Class path of Netty's buffers, or None."""
    for place in (os.environ.get("NETTY_JARS"), "/usr/share/java"):
        jars = [os.path.join(place or "", "netty-%s.jar" % name) for name in ("buffer", "common")]
        if place and all(os.path.exists(jar) for jar in jars):
            return ":".join(jars)
    return None


def printed(jdk, how, name, options, args, classpath=None, flags=(), environment=None):
    """(core, folder, what the program printed) of fixtures/jvm/NAME.java"""
    where = folder()
    with open(os.path.join(where, "out"), "wb") as out:
        process = start(jdk, where, how, options, [classes(jdk, name, classpath, tuple(flags)),
                                                   name, *map(str, args)], out,
                        environment=environment)
    core = dumped(process, where, how)
    with open(os.path.join(where, "out"), encoding="ascii") as file:
        lines = [line.split() for line in file]
    return core, where, lines
