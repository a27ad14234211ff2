"""Words that lie in a core, and whether any answer of coreheap shows them."""
import concurrent.futures

from documents import cases
from fixture import coreheap

FORMS = ([], ["--json"], ["--plain"], ["--jsonl"], ["--verbose"])


def numbers(word):
    """Machine words of a text: 8 of its bytes, from each aligned place, its first 6 and 4, and
    four letters of UTF-16; where they stand for a size, without the flags in its low bits."""
    data, wide = word.encode("utf-8"), word.encode("utf-16-le")
    found = {int.from_bytes(piece, "little")
             for piece in (data[:8], data[8:16], data[:6], data[:4], wide[:8], wide[8:16])
             if len(piece) >= 4}
    return found | {number & ~7 for number in found} | {number & ~15 for number in found}


def traces(word):
    """What would show a word: itself, its beginning, its UTF-16 with escaped zeros, and its
    machine words as numbers: in hexadecimal, of both byte orders, and in decimal. Eight
    letters or digits are in no answer by chance."""
    found = {word, word[:8], "\\x00".join(word[:6]), "\\u0000".join(word[:6]),
             " ".join("%02x" % ord(letter) for letter in word[:6])}
    for number in numbers(word):
        digits = "%x" % number
        other = number.to_bytes(8, "little").hex()
        found |= {digits, other if number >> 32 else other[:8], "%d" % number, "{:,}".format(number)}
    return found


def lies_in(data, word):
    """How often a word lies in the bytes of a core: (as text, as UTF-16)."""
    return data.count(word.encode("utf-8")), data.count(word.encode("utf-16-le"))


def questions(core, turn=None):
    """Everything that can be asked without --reveal, in every form, tickets too. turn: each in
    one of the forms, in another one with another turn; of as many turns as there are forms
    each question is asked in every form."""
    for number, (_, arguments) in enumerate(cases(core)):
        if "--reveal" not in arguments:
            for form in FORMS if turn is None else [FORMS[(number + turn) % len(FORMS)]]:
                yield [*arguments, *form]
    yield ["summary", "--markdown", core]
    yield ["summary", "--markdown", "--quick", core]
    yield ["diff", "--markdown", "--all", core, core]
    yield ["address", "--compat", "windbg", core]
    yield ["retained", "--tree", core]


def shown(core, words, asked=None, codes=(0,)):
    """(how many questions, those whose answer failed or has a trace of a word); asked: these
    instead of all; codes: exit codes of an answer."""
    marks = {trace for word in words for trace in traces(word)}

    def ask(arguments):
        # Large lists are whole here, not cut to the rows that other tests look at.
        result = coreheap(*[word if word != "30" else "0" for word in arguments])
        seen = [mark for mark in marks if mark in result.out or mark in result.err]
        if result.code in codes and not seen:
            return None
        return "coreheap %s: exit code %d, shows %s" % (" ".join(arguments), result.code, seen)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, asked or questions(core)))
    return len(answers), [answer for answer in answers if answer]
