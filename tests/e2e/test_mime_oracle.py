#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Our MIME reader against Python's email package, on messages made here from a fixed seed.

Compared: the tree of parts, every part's type, parameters, bytes and decoded text; addresses, subject
and date; and that ENVELOPE and BODYSTRUCTURE follow the grammar of RFC 3501 to the letter.
Catches, for one: a part that keeps the line end of the boundary after it.
"""
import email
import email.parser
import email.policy
import email.utils
import glob
import os
import random
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# ---- our reader ----

class Reader:
    def __init__(self, folder):
        exe = os.path.join(folder, "mime_dump")
        sources = ["tests/tools/mime_dump.c"] + sorted(glob.glob("services/mail/mime_*.c", root_dir=TOP))
        sources += ["os/arena.c", "os/buf.c", "os/str.c", "os/err.c"]
        subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-I.", "-O1", "-g",
                        "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o", exe] + sources,
                       cwd=TOP, check=True)
        self.p = subprocess.Popen([exe], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, message):
        self.p.stdin.write(b"%d\n" % len(message) + message)
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise AssertionError("our reader ended")
        return Words(self.p.stdout.read(int(line))).whole()


class Words:
    """Lists of IMAP, read strictly: bytes for strings, int, None for NIL, list."""
    def __init__(self, data):
        self.data, self.at = data, 0

    def whole(self):
        value = self.value()
        assert self.at == len(self.data), "something follows the list"
        return value

    def value(self):
        d = self.data
        c = d[self.at:self.at + 1]
        if c == b"(":
            self.at += 1
            out = []
            while d[self.at:self.at + 1] != b")":
                # Bodies and addresses stand side by side; all else is separated by one space.
                if out and not (d[self.at:self.at + 1] == b"(" and d[self.at - 1:self.at] == b")"):
                    assert d[self.at:self.at + 1] == b" ", f"no space at {self.at}: {d!r}"
                    self.at += 1
                out.append(self.value())
            self.at += 1
            return out
        m = re.compile(rb'"((?:[^"\\\x00\r\n\x80-\xff]|\\["\\])*)"').match(d, self.at)
        if m:
            self.at = m.end()
            return re.sub(rb'\\(.)', rb'\1', m.group(1))
        m = re.compile(rb"\{(\d+)\}\r\n").match(d, self.at)
        if m:
            self.at = m.end() + int(m.group(1))
            return d[m.end():self.at]
        m = re.compile(rb"NIL|-?\d+").match(d, self.at)
        assert m, f"neither string, number, NIL nor list at {self.at}: {d!r}"
        self.at = m.end()
        return None if m.group() == b"NIL" else int(m.group())


def nstring(v):
    assert v is None or isinstance(v, bytes), v


def check_params(v):
    assert v is None or (v and len(v) % 2 == 0 and all(isinstance(x, bytes) for x in v)), v


def check_envelope(e):
    assert len(e) == 10, e
    for i in (0, 1, 8, 9):
        nstring(e[i])
    for addresses in e[2:8]:
        assert addresses is None or addresses, "an empty list of addresses is NIL"
        for a in addresses or []:
            assert len(a) == 4, a
            for s in a:
                nstring(s)


def check_body(b, extensible):
    """The fields of RFC 3501's `body`, by kind; (type, children) with types in lower case."""
    if isinstance(b[0], list):
        n = 0
        while isinstance(b[n], list):
            n += 1
        assert isinstance(b[n], bytes) and len(b) == n + (5 if extensible else 1), b
        if extensible:
            check_params(b[n + 1])
            check_extension(b[n + 2:])
        return (b"multipart/" + b[n].lower(), [check_body(c, extensible) for c in b[:n]])
    kind = b[0].lower() + b"/" + b[1].lower()
    check_params(b[2])
    nstring(b[3])
    nstring(b[4])
    assert isinstance(b[5], bytes) and isinstance(b[6], int), b
    base, children = 7, []
    if kind in (b"message/rfc822", b"message/global"):
        check_envelope(b[7])
        children = [check_body(b[8], extensible)]
        assert isinstance(b[9], int)
        base = 10
    elif b[0].lower() == b"text":
        assert isinstance(b[7], int)
        base = 8
    assert len(b) == base + (4 if extensible else 0), b
    if extensible:
        nstring(b[base])
        check_extension(b[base + 1:])
    return (kind, children)


def check_extension(x):
    disposition, language, location = x
    if disposition is not None:
        assert isinstance(disposition[0], bytes) and len(disposition) == 2
        check_params(disposition[1])
    assert language is None or isinstance(language, bytes) or all(isinstance(s, bytes) for s in language)
    nstring(location)


# ---- Python's reader ----

def python_tree(m):
    if m.get_content_maintype() == "multipart" and not m.is_multipart():
        return (b"text/plain", [])  # no boundary in it: what stands there is to be read
    children = m.get_payload() if m.is_multipart() else []
    return (m.get_content_type().encode(), [python_tree(c) for c in children])


def python_params(m):
    out = []
    for name, value in (m.get_params(failobj=[], unquote=True) or [])[1:]:
        if name:
            out.append((name.lower(), email.utils.collapse_rfc2231_value(value)))
    return out


def python_addresses(m, name):
    """[(display name, local part, domain)], None for begin and end of a group"""
    out = []
    for header in m.get_all(name) or []:
        for g in header.groups:
            if g.display_name is not None:
                out.append((g.display_name, "group"))
            out += [(a.display_name, a.username, a.domain) for a in g.addresses]
            if g.display_name is not None:
                out.append("end")
    return out


def our_addresses(list_):
    out = []
    for name, _, mailbox, host in list_ or []:
        if host is None:
            out.append("end" if mailbox is None else (mailbox.decode(), "group"))
        else:
            name = str(email.header.make_header(email.header.decode_header((name or b"").decode())))
            out.append((name, mailbox.decode(), host.decode()))
    return out


class Case:
    def __init__(self, message, what, decodes=True):
        self.message, self.what, self.decodes = message, what, decodes


def same(what, ours, theirs):
    assert ours == theirs, f"{what}: ours {ours!r}, Python's {theirs!r}"


def compare(reader, case):
    ours = reader.read(case.message)
    envelope, long_body, short_body, subject, seconds, zone, rows = ours
    check_envelope(envelope)
    tree = check_body(long_body, True)
    same("BODY and BODYSTRUCTURE", check_body(short_body, False), tree)
    m = email.parser.BytesHeaderParser(policy=email.policy.default).parsebytes(case.message)
    raw = email.message_from_bytes(case.message, policy=email.policy.compat32)
    same("tree", tree, python_tree(raw))
    if m["subject"] is not None:
        same("subject", subject.decode(), str(m["subject"]))
    if m["date"] is not None:
        same("date", seconds, int(m["date"].datetime.timestamp()))
        offset = m["date"].datetime.utcoffset()
        same("zone", zone, int(offset.total_seconds()) // 60 if offset is not None else 0)
    for i, name in ((2, "from"), (5, "to"), (6, "cc"), (7, "bcc")):
        same(name, our_addresses(envelope[i]), python_addresses(m, name))
    for part, row in zip(raw.walk(), rows, strict=True):
        compare_part(case, part, row)


def compare_part(case, part, row):
    header, body, end, text, params = row
    assert header <= body <= end <= len(case.message)
    names = [(params[i].decode(), params[i + 1].decode()) for i in range(0, len(params), 2)]
    lost = part.get_content_maintype() == "multipart" and not part.is_multipart()
    if part["content-type"] is not None and not lost:
        same("parameters", names, python_params(part))
    if part.is_multipart():
        return
    payload = part._payload.encode("ascii", "surrogateescape")
    if end == len(case.message) and case.message[body + len(payload):] in (b"\r\n", b"\n"):
        end = body + len(payload)  # where a boundary was expected, Python takes the last line end off
    same("bytes", case.message[body:end], payload)
    if case.decodes:
        charset = part.get_param("charset", "utf-8")
        theirs = part.get_payload(decode=True).decode(charset, "replace")
        same("text", text.decode(), theirs)


# ---- messages ----

NAMES = ["Alice", "Bob Example", "\"Quoted, Name\"", "\"back\\\\slash \\\"q\\\"\"", "John Q. Public",
         "=?utf-8?q?J=C3=BCrgen?=", "=?iso-8859-1?b?SvxyZ2Vu?="]
LOCALS = ["alice", "bob.b", "carol+tag", "o'hara", "x"]
DOMAINS = ["example.org", "mail.example.com", "x"]
WORDS = ["hello", "world", "--", "-- ", "--b", "--b1x", "--=_", "From here", ".", "", " x", "=?x?=", "caf\u00e9", "a" * 200]
CHARSETS = {
    "us-ascii": "plain", "utf-8": "caf\u00e9 \u20ac \U0001f600", "iso-8859-2": "\u0141\u00f3d\u017a",
    "iso-8859-3": "\u0126", "iso-8859-4": "\u0112", "iso-8859-5": "\u041f\u0440\u0438", "iso-8859-6": "\u0633",
    "iso-8859-7": "\u0391\u03b2\u03b3", "iso-8859-8": "\u05e9\u05dc", "iso-8859-9": "\u011f\u0131",
    "iso-8859-10": "\u0112\u0146", "iso-8859-11": "\u0e44\u0e17\u0e22", "iso-8859-13": "\u0105\u017e",
    "iso-8859-14": "\u1e02", "iso-8859-15": "\u20ac\u0153", "iso-8859-16": "\u0218",
    "windows-1250": "\u0159\u016f", "windows-1251": "\u041f\u0440\u0438", "windows-1252": "\u201cx\u201d",
    "windows-1253": "\u0391\u03b2", "windows-1254": "\u015f\u0130", "windows-1255": "\u05e9",
    "windows-1256": "\u0633\u0644", "windows-1257": "\u0105\u0161", "windows-1258": "\u01a1\u01b0",
    "koi8-r": "\u041f\u0440\u0438\u0432\u0435\u0442", "koi8-u": "\u0457\u0491", "utf-16": "A\u20ac\U0001f600",
    "utf-16be": "A\u20ac", "utf-16le": "A\u20ac", "utf-32": "A\U0001f600", "iso-2022-jp": "\u65e5\u672c\u8a9e abc",
    "shift_jis": "\u65e5\u672c\u8a9e abc", "euc-jp": "\u65e5\u672c\u8a9e", "euc-kr": "\ud55c\uad6d\uc5b4",
    "gb2312": "\u4e2d\u6587", "gbk": "\u4e2d\u6587\u9ed1", "gb18030": "\u4e2d\u6587\U0001f600", "big5": "\u4e2d\u6587",
}


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.boundaries = 0

    def pick(self, *choices):
        return self.r.choice(choices)

    def address(self):
        r = self.r
        spec = r.choice(LOCALS) + "@" + r.choice(DOMAINS)
        kind = r.randrange(4)
        if kind == 0:
            return spec
        if kind == 1:
            return f"<{spec}>"
        return f"{r.choice(NAMES)} <{spec}>"

    def addresses(self):
        many = [self.address() for _ in range(self.r.randrange(1, 5))]
        if self.r.random() < 0.2:
            inside = ", ".join(self.address() for _ in range(self.r.randrange(3)))
            many.insert(self.r.randrange(len(many) + 1), f"My Group: {inside};")
        return self.pick(", ", ",\r\n ", ",\r\n\t").join(many)

    def headers(self):
        r = self.r
        out = ["From: " + self.address()]
        for name in ("To", "Cc", "Bcc"):
            if r.random() < 0.6:
                out.append(f"{name}: {self.addresses()}")
        if r.random() < 0.8:
            out.append("Subject: " + self.pick(
                "plain", "two  blanks", "folded\r\n subject", "=?utf-8?q?caf=C3=A9?=", "a =?utf-8?b?4oKs?= b",
                "=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "=?iso-8859-1?q?=E9?= =?koi8-r?b?8NLJ?="))
        if r.random() < 0.8:
            out.append("Date: " + email.utils.format_datetime(email.utils.parsedate_to_datetime(
                "1 Jan 2000 00:00:00 " + self.pick("+0000", "-0800", "+0530")).replace(
                    year=r.randrange(1971, 2037), month=r.randrange(1, 13), day=r.randrange(1, 29),
                    hour=r.randrange(24), second=r.randrange(60))))
        r.shuffle(out)
        return out

    def param(self):
        return self.pick(
            'name=x.txt', 'name="a b.txt"', 'NAME="semi;colon.txt"', 'x="q\\"uote"', "title*=utf-8''%e2%82%ac%20rates",
            "title*=iso-8859-1'en'%A3", 'url*0="ftp://"; url*1="host/path"',
            "t*0*=us-ascii'en'This%20is; t*1*=%20even; t*2=\" more\"", 'format=flowed')

    def text(self):
        lines = [self.r.choice(WORDS) for _ in range(self.r.randrange(6))]
        return "\r\n".join(lines) + self.pick("", "\r\n", "\r\n\r\n")

    def leaf(self, default):
        r = self.r
        if r.random() < 0.15 and default == "text/plain":
            return [], self.text().encode()
        charset = self.pick("utf-8", "utf-8", *CHARSETS)
        body = self.text()
        kind = self.pick("text/plain", "text/html", "application/octet-stream", "TEXT/X-Odd", "image/png")
        if charset != "utf-8":
            body = CHARSETS[charset]
        head = [f"Content-Type: {kind}; charset={self.pick('%s', chr(34) + '%s' + chr(34)) % charset}"]
        if r.random() < 0.5:
            head[0] += ";" + self.pick(" ", "\r\n ", "\r\n\t") + self.param()
        data = body.encode(charset)
        encoding = self.pick("base64", "quoted-printable", "8bit")
        if encoding == "8bit" and charset.startswith("utf-") and charset != "utf-8":
            encoding = "base64"
        if encoding == "base64":
            data = email.base64mime.body_encode(data, eol="\r\n").encode()
        elif encoding == "quoted-printable":
            data = re.sub(rb"[^!-<>-~]", lambda m: b"=%02X" % m.group()[0], data)
            data = re.sub(rb"(.{60,70}(?![0-9A-F]?[0-9A-F]))(?=..)", rb"\1=\r\n", data)
        head.append(f"Content-Transfer-Encoding: {self.pick(encoding, encoding.upper())}")
        for extra in ("Content-ID: <a@b>", "Content-Description: some\r\n text", "Content-Disposition: attachment; "
                      "filename=\"f.txt\"", "Content-Language: en, de", "Content-Location: http://x/", "Content-MD5: eA=="):
            if r.random() < 0.2:
                head.append(extra)
        r.shuffle(head)
        return head, data

    def entity(self, depth, default="text/plain"):
        """(header lines, body bytes) of a part"""
        r = self.r
        kind = r.random()
        if depth == 0 or kind < 0.3:
            return self.leaf(default)
        if kind < 0.5:
            head, body = self.entity(depth - 1)
            inner = "\r\n".join(self.headers() + head).encode("utf-8") + b"\r\n\r\n" + body
            return ["Content-Type: message/rfc822"], inner
        return self.multipart(depth)

    def multipart(self, depth):
        r = self.r
        self.boundaries += 1
        # Some are the beginning of others.
        boundary = self.pick("b%d" % self.boundaries, "=_%d.x" % self.boundaries, "b%dxx%d" % (self.boundaries, depth),
                             "with a blank %d" % self.boundaries, "----=_Part_%d" % self.boundaries)
        subtype = self.pick("mixed", "mixed", "alternative", "digest", "x-odd", "related")
        parts = []
        for _ in range(r.randrange(1, 4)):
            if subtype == "digest":
                head, body = self.entity(depth - 1)
                parts.append(b"\r\n" + "\r\n".join(self.headers() + head).encode() + b"\r\n\r\n" + body)
            else:
                head, body = self.entity(depth - 1)
                parts.append("".join(h + "\r\n" for h in head).encode() + b"\r\n" + body)
        line = b"--" + boundary.encode()
        data = self.pick(b"", b"", b"preamble\r\n", b"\r\n")
        data += b"".join(line + self.pick(b"", b"", b" ", b"\t ") + b"\r\n" + p + b"\r\n" for p in parts)
        data += line + b"--" + self.pick(b"", b"\r\n", b"\r\nepilogue\r\n", b"  \r\n")
        quoted = f'"{boundary}"' if re.search(r"[^\w]", boundary) else self.pick(boundary, f'"{boundary}"')
        return [f"Content-Type: multipart/{subtype};{self.pick(' ', chr(13) + chr(10) + ' ')}boundary={quoted}"], data

    def message(self, depth):
        head, body = self.entity(depth)
        return "\r\n".join(self.headers() + head).encode("utf-8") + b"\r\n\r\n" + body


def broken(seed):
    """Damage whose meaning is not in doubt."""
    maker = Maker(seed)
    whole = maker.message(3)
    lines = whole.split(b"\r\n")
    yield Case(b"\n".join(lines), "bare line feeds", decodes=False)
    yield Case(b"".join(x + maker.pick(b"\n", b"\r\n") for x in lines), "mixed line ends", decodes=False)
    closing = [i for i, x in enumerate(lines) if x.startswith(b"--") and x.rstrip().endswith(b"--") and len(x) > 4]
    for i in closing:
        yield Case(b"\r\n".join(lines[:i] + lines[i + 1:]), "a closing boundary is missing", decodes=False)
    for _ in range(3):
        cut = b"\r\n".join(lines[:maker.r.randrange(1, len(lines))])
        yield Case(cut + maker.pick(b"", b"\r\n"), "cut short", decodes=False)


def fixed():
    """From the RFCs, and by hand."""
    mixed = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="
    yield Case(b"From: Nathaniel Borenstein <nsb@bellcore.com>\r\nTo: Ned Freed <ned@innosoft.com>\r\n"
               b"Date: Sun, 21 Mar 1993 23:56:48 -0800 (PST)\r\nSubject: Sample message\r\nMIME-Version: 1.0\r\n"
               b"Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n\r\nThis is the preamble.\r\n\r\n"
               b"--simple boundary\r\n\r\nimplicitly typed\r\n--simple boundary\r\nContent-type: text/plain; "
               b"charset=us-ascii\r\n\r\nexplicitly typed\r\n\r\n--simple boundary--\r\n\r\nepilogue\r\n", "RFC 2046 5.1.1")
    yield Case(b"Content-Type: text/plain; charset=us-ascii (Plain text)\r\n\r\nx\r\n".replace(b" (Plain text)", b""),
               "RFC 2045 5.1")
    yield Case(mixed + b"b\r\n\r\n--b\r\nContent-Type: text/html\r\n--b\r\n\r\nx\r\n--b--\r\n", "a header cut off")
    yield Case(mixed + b"b\r\n\r\n--bb\r\n--b\r\n\r\n--b-\r\n--bb--\r\n--b--x\r\n\r\n--b--", "almost boundaries")
    yield Case(b"From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\r\nTo: A Group(Some people)\r\n"
               b" :Chris Jones <c@(Chris's host.)public.example>,\r\n     joe@example.org,\r\n John <jdoe@one.test> "
               b"(my dear friend); (the end of the group)\r\nCc: (Empty list)(start)Hidden recipients  :(nobody(that I "
               b"know))  ;\r\nDate: Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n"
               b"               -0330 (Newfoundland Time)\r\n\r\nTesting.\r\n", "RFC 5322 A.5")
    nest = b"\r\nx"
    for i in range(40):
        nest = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) + nest + b"\r\n--b%d--\r\n" % i
    yield Case(nest, "forty levels")
    yield Case(mixed + b"b\r\n\r\n" + b"".join(b"--b\r\n\r\n%d\r\n" % i for i in range(3000)) + b"--b--\r\n", "3000 parts")
    for charset, text in CHARSETS.items():
        data = email.base64mime.body_encode(text.encode(charset), eol="\r\n").encode()
        yield Case(b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n"
                   b"\r\n" + data, charset)


def main():
    groups = {
        "RFCs, charsets and extremes": list(fixed()),
        "well-formed": [Case(Maker(seed).message(seed % 5), f"seed {seed}") for seed in range(400)],
        "broken": [case for seed in range(60) for case in broken(seed)],
    }
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(folder)
        for name, cases in groups.items():
            bad = []
            for case in cases:
                try:
                    compare(reader, case)
                except (AssertionError, ValueError, UnicodeError) as e:
                    bad.append((case, e))
                    if reader.p.poll() is not None:
                        break
            for case, e in bad[:3]:
                print(f"{case.what}: {e}\n{case.message[:3000]!r}\n")
            print(f"{'not ok' if bad else 'ok'} - MIME like Python's email: {name} "
                  f"({len(cases)} messages, {len(bad)} differ)")
            failed += len(bad)
        reader.p.stdin.close()
        failed += reader.p.wait() != 0
    return 1 if failed else 0


sys.exit(main())
