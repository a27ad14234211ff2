"""Pages of docs whose commands are run: what stands in them, and a shell to run it in."""
import os
import re
import subprocess

from fixture import COREHEAP
from tap import repo


def read(name):
    with open(os.path.join(repo(), "docs", name), encoding="utf-8") as file:
        return file.read()


def blocks(name, language="sh"):
    """What the page has in this language."""
    return re.findall(r"```%s\n(.*?)```" % language, read(name), re.S)


def shell(where, script, **env):
    """Run what a page says in a folder, with coreheap in the path."""
    tools = os.path.join(where, "bin")
    os.makedirs(tools, exist_ok=True)
    if not os.path.exists(os.path.join(tools, "coreheap")):
        os.symlink(os.path.abspath(COREHEAP), os.path.join(tools, "coreheap"))
    return subprocess.run(["sh", "-c", script], cwd=where, text=True, capture_output=True,
                          env={**os.environ, "PATH": tools + ":" + os.environ["PATH"], **env},
                          check=False, stdin=subprocess.DEVNULL)
