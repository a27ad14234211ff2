"""Heap dumps of Java, read strictly: every byte of a file belongs to a record that is known."""
import struct

SIZES = {2: 8, 4: 1, 5: 2, 6: 4, 7: 8, 8: 1, 9: 2, 10: 4, 11: 8}
OBJECT = 2


class Part:
    """Bytes that are read from front to back."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), "a record ends behind what it lies in"
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def ids(self, count):
        return struct.unpack(">%dQ" % count, self.take(8 * count))

    def left(self):
        return len(self.data) - self.at

    def value(self, kind):
        return self.number(SIZES[kind])


class Dump:
    """names: {id: text}; class_names: {class: name}; classes: {id: dict}; instances, objects,
    values: {id: (class or type, contents)}; roots: [(tag, id, rest)]; traces: {serial: (thread,
    frames)}; frames: {id: (method, source, class serial, line)}; loads: {serial: (class, name)}."""

    def __init__(self, path):
        with open(path, "rb") as file:
            part = Part(memoryview(file.read()))
        assert part.take(19) == b"JAVA PROFILE 1.0.2\0" and part.number(4) == 8
        part.number(8)
        self.names, self.classes, self.instances, self.objects = {}, {}, {}, {}
        self.values, self.roots, self.traces, self.frames, self.loads = {}, [], {}, {}, {}
        self.ended = False
        readers = {0x01: self.string, 0x02: self.load, 0x04: self.frame, 0x05: self.trace,
                   0x0c: self.segment, 0x1c: self.segment, 0x2c: self.end}
        while part.left():
            assert not self.ended
            tag = part.number(1)
            part.number(4)
            body = Part(part.take(part.number(4)))
            readers[tag](body)
            assert not body.left(), "a record of tag 0x%x is longer than what is in it" % tag
        assert self.ended or self.instances
        self.class_names = dict(self.loads.values())

    def string(self, part):
        key = part.number(8)
        assert key and key not in self.names
        # "modified UTF-8": a zero has two bytes
        self.names[key] = bytes(part.take(part.left())).decode("utf-8", "surrogateescape")

    def load(self, part):
        serial, key, _, name = part.number(4), part.number(8), part.number(4), part.number(8)
        self.loads[serial] = (key, self.names[name])

    def frame(self, part):
        key, method, _, source = part.ids(4)
        self.frames[key] = (self.names[method], self.names.get(source), part.number(4),
                            struct.unpack(">i", part.take(4))[0])

    def trace(self, part):
        serial, thread = part.number(4), part.number(4)
        self.traces[serial] = (thread, part.ids(part.number(4)))

    def end(self, _):
        self.ended = True

    def segment(self, part):
        readers = {0x20: self.dumped_class, 0x21: self.instance, 0x22: self.object_array,
                   0x23: self.value_array}
        more = {0xff: 0, 0x01: 8, 0x02: 8, 0x03: 8, 0x04: 4, 0x05: 0, 0x06: 4, 0x07: 0, 0x08: 8}
        while part.left():
            tag = part.number(1)
            if tag in readers:
                readers[tag](part)
            else:
                self.roots.append((tag, part.number(8), bytes(part.take(more[tag]))))

    def dumped_class(self, part):
        key = part.number(8)
        part.number(4)
        super_class, loader, *_ = part.ids(6)
        size = part.number(4)
        for _ in range(part.number(2)):
            part.number(2)
            part.value(part.number(1))
        statics = {}
        for _ in range(part.number(2)):
            name = self.names[part.number(8)]
            kind = part.number(1)
            statics[name] = (kind, part.value(kind))
        fields = [(self.names[part.number(8)], part.number(1)) for _ in range(part.number(2))]
        assert key not in self.classes
        self.classes[key] = {"super": super_class, "loader": loader, "size": size,
                             "statics": statics, "fields": fields}

    def instance(self, part):
        key, _, of = part.number(8), part.number(4), part.number(8)
        assert key not in self.instances
        self.instances[key] = (of, bytes(part.take(part.number(4))))

    def object_array(self, part):
        key, _, count, of = part.number(8), part.number(4), part.number(4), part.number(8)
        assert key not in self.objects
        self.objects[key] = (of, part.ids(count))

    def value_array(self, part):
        key, _, count, kind = part.number(8), part.number(4), part.number(4), part.number(1)
        assert key not in self.values
        self.values[key] = (kind, bytes(part.take(count * SIZES[kind])))

    def derives(self, of, name):
        """Whether a class is the one of this name, or derives from it."""
        while of and self.class_names[of] != name:
            of = self.classes[of]["super"]
        return bool(of)

    def fields(self, of):
        """(class, name, type) of the values of an instance, in their order."""
        while of:
            for name, kind in self.classes[of]["fields"]:
                yield of, name, kind
            of = self.classes[of]["super"]

    def read(self, key):
        """{(class, field): (type, value)} of an instance, whose bytes are just these values."""
        of, data = self.instances[key]
        part, found = Part(data), {}
        for owner, name, kind in self.fields(of):
            found[owner, name] = (kind, part.value(kind))
        assert not part.left()
        return found
