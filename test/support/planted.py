"""Words that lie in a core, and whether any answer of coreheap shows them."""
import concurrent.futures
import struct

from documents import cases
from fixture import coreheap

FORMS = ([], ["--json"], ["--plain"], ["--jsonl"])


def traces(word):
    """What would show a word: itself, its beginning, its UTF-16 with escaped zeros, and its
    first two machine words as numbers."""
    found = {word, word[:8], "\\x00".join(word[:8]), "\\u0000".join(word[:8]),
             " ".join("%02x" % ord(letter) for letter in word[:8])}
    for start in (0, 8):
        for data in (word.encode("utf-8"), word.encode("utf-16-le")):
            if len(data) >= start + 8:
                number = struct.unpack_from("<Q", data, start)[0]
                found |= {"%016x" % number, "%d" % number}
    return found


def lies_in(data, word):
    """How often a word lies in the bytes of a core: (as text, as UTF-16)."""
    return data.count(word.encode("utf-8")), data.count(word.encode("utf-16-le"))


def questions(core):
    """Everything that can be asked without --reveal, in every form, tickets too."""
    for _, arguments in cases(core):
        if "--reveal" not in arguments:
            for form in FORMS:
                yield [*arguments, *form]
    yield ["summary", "--markdown", core]
    yield ["summary", "--markdown", "--quick", core]
    yield ["diff", "--markdown", "--all", core, core]
    yield ["address", "--compat", "windbg", core]
    yield ["retained", "--tree", core]


def shown(core, words, asked=None):
    """(how many questions, those whose answer failed or has a trace of a word); asked: these
    instead of all."""
    marks = {trace for word in words for trace in traces(word)}

    def ask(arguments):
        # Large lists are whole here, not cut to the rows that other tests look at.
        result = coreheap(*[word if word != "30" else "0" for word in arguments])
        seen = [mark for mark in marks if mark in result.out or mark in result.err]
        if result.code == 0 and not seen:
            return None
        return "coreheap %s: exit code %d, shows %s" % (" ".join(arguments), result.code, seen)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, asked or questions(core)))
    return len(answers), [answer for answer in answers if answer]
