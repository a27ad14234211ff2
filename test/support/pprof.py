"""Profiles of pprof, read strictly: https://github.com/google/pprof/blob/main/proto/profile.proto"""
import gzip

NUMBER, BYTES = 0, 2


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number of the field, value) of a message: a number, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == BYTES:
            assert at + value <= len(data), "a field ends behind its message"
            value, at = data[at:at + value], at + value
        else:
            assert key & 7 == NUMBER, "wire type %d" % (key & 7)
        yield key >> 3, value


def packed(data):
    at, values = 0, []
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


def group(message):
    found = {}
    for number, value in fields(message):
        found.setdefault(number, []).append(value)
    return found


class Profile:
    """types: (type, unit) of the values; samples: {frames, outermost first: values}."""

    def __init__(self, path):
        with gzip.open(path) as file:
            whole = group(file.read())
        self.strings = [value.decode("utf-8") for value in whole[6]]
        assert self.strings[0] == ""
        self.types = [tuple(self.text(part, number) for number in (1, 2))
                      for part in map(group, whole[1])]
        self.default = self.strings[whole[14][0]]
        functions = {part[1][0]: self.text(part, 2) for part in map(group, whole[5])}
        locations = {}
        for part in map(group, whole[4]):
            assert part[1][0] and part[1][0] not in locations
            locations[part[1][0]] = functions[group(part[4][0])[1][0]]
        self.samples = {}
        for part in map(group, whole[2]):
            frames = tuple(locations[number] for number in reversed(packed(part[1][0])))
            assert frames not in self.samples
            self.samples[frames] = tuple(packed(part[2][0]))
        self.mappings = [(part[2][0], part[3][0], self.text(part, 5), self.text(part, 6))
                         for part in map(group, whole[3])]

    def text(self, part, number):
        return self.strings[part[number][0]]


def numbers(found):
    """Those of a repeated field: packed, or one by one, as Go writes a few."""
    return [number for part in found
            for number in (packed(part) if isinstance(part, bytes) else [part])]


def base(path):
    return path.rsplit("/", 1)[-1]


class Sites:
    """A heap profile of Go: samples: {(stack, bytes of an object): values}, a stack being locations,
    innermost first, each an address and functions with file and line."""

    def __init__(self, path):
        with gzip.open(path) as file:
            whole = group(file.read())
        self.strings = [value.decode("utf-8") for value in whole[6]]
        self.period = whole[12][0]
        self.types = [self.strings[group(part)[1][0]] for part in whole[1]]
        functions = {}
        for part in map(group, whole[5]):
            functions[part[1][0]] = (self.strings[part[2][0]], base(self.strings[part[4][0]]))
        locations = {}
        for part in map(group, whole[4]):
            lines = tuple((*functions[line[1][0]], line.get(2, [0])[0]) for line in map(group, part[4]))
            locations[part[1][0]] = (part[3][0], lines)
        self.samples = {}
        for part in map(group, whole[2]):
            values = tuple(numbers(part[2]))
            if not any(values):
                continue
            size = group(part[3][0])[3][0] if 3 in part else 0
            key = tuple(locations[number] for number in numbers(part[1])), size
            # of two stacks that differ in functions of the runtime that are not shown
            before = self.samples.get(key, (0,) * len(values))
            self.samples[key] = tuple(map(sum, zip(before, values)))

    def sums(self):
        """Of each kind of value."""
        return tuple(map(sum, zip(*self.samples.values())))
