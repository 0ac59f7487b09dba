# SPDX-License-Identifier: ISC
"""Scripted IMAP sessions over raw sockets. A script is text, one step a line:

    2 NO SELECT nowhere     connection 2 (1 when left out) says this and is answered so (OK when left out)
    * 2 EXISTS              among the untagged answers to the command above, in this order
    ! 1 EXPUNGE             not among them
    = [READ-ONLY]...        what follows OK, NO or BAD
    2 send IDLE             says it and waits for nothing
    2 raw DONE              the same without a tag
    2 read + ...            the next line from there; TAG is the tag last used

In a command «text» is a literal, ‹text› a non-synchronizing one, @name in them a message of MAIL; \\r and \\n
are control characters. In a pattern ... is anything, $name the value of a variable, which a first
match sets. Case and the order of flags do not matter; a literal looks like a quoted string with \\r\\n in it."""
import re
import socket

STATUS = ("OK", "NO", "BAD")


class Deviation(AssertionError):
    pass


def sort_flags(m):
    return m.group(1) + " ".join(sorted(m.group(2).split())) + ")"


def normal(line):
    line = re.sub(r"(?i)((?:FLAGS|LIST|LSUB) \()([^()]*)\)", sort_flags, line)
    return line.strip()


def escape(data):
    return data.decode("utf-8", "surrogateescape").replace("\r", "\\r").replace("\n", "\\n")


def unescape(text):
    return (text.replace("\\x20", " ").replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
            .encode("utf-8", "surrogateescape"))


def match(pattern, line, values):
    """Does the pattern match? Sets the variables it binds."""
    if re.search(r"(?i)(FLAGS|LIST|LSUB) \([^()$]*\)", pattern) and "..." not in pattern:
        pattern = normal(pattern)
    names, out = [], ""
    for piece in re.split(r"(\.\.\.|\$\{?[a-z]\w*\}?)", pattern):
        name = piece.strip("${}")
        if piece == "...":
            out += ".*"
        elif piece.startswith("$") and name in values:
            out += re.escape(values[name])
        elif piece.startswith("$") and name in names:
            out += f"(?P={name})"
        elif piece.startswith("$"):
            names.append(name)
            out += f"(?P<{name}>[^ ()\\]]+)"
        else:
            out += re.escape(piece)
    m = re.fullmatch(out, line, re.I | re.S)
    if m:
        values.update(m.groupdict())
    return bool(m)


class Connection:
    def __init__(self, sock):
        self.sock, self.file, self.count, self.tag = sock, sock.makefile("rb"), 0, ""

    def close(self):
        self.file.close()
        self.sock.close()

    def line(self):
        """One answer, its literals put in as quoted strings."""
        text = b""
        while True:
            got = self.file.readline()
            if not got:
                if text:
                    raise Deviation(f"the connection ends in {text}")
                return None
            if not got.endswith(b"\r\n"):
                raise Deviation(f"a line without CRLF: {got}")
            m = re.search(rb"\{(\d+)\}\r\n$", got)
            if not m:
                return normal(escape(text + got[:-2]))
            text += got[:m.start()] + b'"' + self.file.read(int(m.group(1))) + b'"'

    def send(self, text, mail):
        """False: a literal was refused, self.refusal says how."""
        self.count += 1
        self.tag = f"t{self.count}"
        return self.say(f"{self.tag} {text}", mail)

    def say(self, text, mail):
        self.refusal = None
        out = b""
        for kind, piece in split(text):
            if kind == "":
                out += unescape(piece)
                continue
            data = mail[piece[1:]] if piece.startswith("@") else unescape(piece)
            out += b"{%d%s}\r\n" % (len(data), b"" if kind == "«" else b"+")
            if kind == "«":
                self.sock.sendall(out)
                out = b""
                got = self.line()
                if not got or not got.startswith("+"):
                    self.refusal = got
                    return False
            out += data
        self.sock.sendall(out + b"\r\n")
        return True

    def command(self, text, mail):
        """(untagged answers, tagged answer)"""
        if not self.send(text, mail):
            return [], self.refusal.split(" ", 1)[1]
        said = []
        while True:
            got = self.line()
            if got is None:
                raise Deviation(f"the connection ended after {said}")
            if got.startswith(self.tag + " "):
                return said, got.split(" ", 1)[1]
            said.append(got)


def split(text):
    for m in re.finditer(r"([«‹])(.*?)[»›]|([^«‹]+)", text, re.S):
        yield (m.group(1), m.group(2)) if m.group(1) else ("", m.group(3))


class Script:
    """Runs one; connect(n) makes connections as they are first named."""

    def __init__(self, connect, values, mail):
        self.connect, self.values, self.mail = connect, values, mail
        self.conns, self.said, self.tagged, self.from_ = {}, [], "", 0

    def at(self, n):
        if n not in self.conns:
            self.conns[n] = self.connect(n)
        return self.conns[n]

    def fill(self, text):
        def value(m):
            return self.values.get(m.group(1), m.group(0))
        return re.sub(r"\$\{?([a-z]\w*)\}?", value, text)

    def run(self, text):
        try:
            for number, step in enumerate(text.strip().splitlines(), 1):
                step = step.strip()
                if step and not step.startswith("#"):
                    try:
                        self.step(step)
                    except Deviation as x:
                        raise Deviation(f"step {number} `{step}`: {x}") from None
                    except (OSError, AttributeError) as x:
                        raise Deviation(f"step {number} `{step}`: {type(x).__name__} {x}") from None
        finally:
            for c in self.conns.values():
                c.close()

    def step(self, step):
        if step[0] == "*":
            return self.expect(step)
        if step[0] == "!":
            if any(match("* " + step[2:], line, dict(self.values)) for line in self.said):
                raise Deviation(f"in {self.said}")
            return None
        if step[0] == "=":
            if not match(step[2:], self.tagged.split(" ", 1)[-1], self.values):
                raise Deviation(f"was {self.tagged}")
            return None
        m = re.match(r"(\d) (.*)", step)
        c = self.at(int(m.group(1)) if m else 1)
        return self.talk(c, m.group(2) if m else step)

    def expect(self, pattern):
        for i in range(self.from_, len(self.said)):
            if match(pattern, self.said[i], self.values):
                self.from_ = i + 1
                return
        raise Deviation(f"not in {self.said[self.from_:]}")

    def talk(self, c, what):
        word, _, rest = what.partition(" ")
        if word == "read":
            line = c.line() or "end"
            if not match(rest.replace("TAG", c.tag), line, self.values):
                raise Deviation(f"was {line}")
        elif word == "send":
            c.send(self.fill(rest), self.mail)
        elif word == "raw":
            c.say(self.fill(rest), self.mail)
        else:
            want, text = (word, rest) if word in STATUS else ("OK", what)
            self.said, self.tagged = c.command(self.fill(text), self.mail)
            self.from_ = 0
            if self.tagged.split(" ")[0] != want:
                raise Deviation(f"was {self.tagged}")
