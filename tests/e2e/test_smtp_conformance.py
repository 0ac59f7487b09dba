#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What RFC 5321, 6409, 4954, 3207, 3030, 1870, 2034, 6152 and 2920 prescribe, as scripts on raw sockets:

    250/2.1.0 MAIL FROM:<a@b>   says this and gets a reply with this code and enhanced code (250 alone: either)
    send TEXT                   says it and waits for nothing; \\r \\n \\0 in it, no line end added
    read 354                    the next reply
    has WORD, no WORD           a line of the last reply is, is not "code-WORD"
    tls, end                    a handshake; the server closes the connection

$name stands for a value. Every reply is checked for its form (RFC 5321 4.2, RFC 2034) all the same.

Breaks when: a script gets another answer than it names, or a reply is malformed."""
import base64
import re
import socket
import sys

import harness

TEXT = "Subject: x\\r\\n\\r\\nbody\\r\\n"
HELLO = "250 EHLO client.example\n"
SENT = "250/2.1.0 MAIL FROM:<b@elsewhere.example>\n250/2.1.5 RCPT TO:<alice@example.org>\n"
SECURE = "250 EHLO client.example\n220 STARTTLS\ntls\n250 EHLO client.example\n"
LOGIN = SECURE + "235/2.7.0 AUTH PLAIN $plain\n"
SCRIPTS = []


def script(name, text, endpoint="smtp"):
    SCRIPTS.append((name, text, endpoint))


# ---- RFC 5321 ----
script("ehlo", r"""
    250 EHLO client.example
    has PIPELINING
    has 8BITMIME
    has ENHANCEDSTATUSCODES
    has CHUNKING
    has STARTTLS
    has SIZE \d+
    no AUTH.*
    250 ehlo [127.0.0.1]
    250 EhLo [IPv6:::1]
    501 EHLO
    501 HELO
    250 HELO client.example
    no .*PIPELINING
    """)
script("before-ehlo", r"""
    503/5.5.1 MAIL FROM:<a@b.example>
    503/5.5.1 RCPT TO:<alice@example.org>
    503/5.5.1 DATA
    250/2.0.0 NOOP
    250/2.0.0 RSET
    252 VRFY alice
    214 HELP
    221/2.0.0 QUIT
    end
    """)
script("helo-session", "250 HELO client.example\n" + SENT + f"""
    354 DATA
    send {TEXT}.\\r\\n
    read 250/2.0.0
    """)
script("commands", HELLO + r"""
    250 noop
    250 NOOP with words
    250   NOOP
    500 NONSENSE
    500 M
    500 
    500 EHLOX a
    501/5.5.4 RSET now
    501/5.5.4 QUIT now
    501 VRFY
    252 VRFY alice
    502/5.5.1 EXPN list
    214/2.0.0 HELP
    214 HELP MAIL
    501 DATA now
    221 quit
    end
    """)
script("sequence", HELLO + r"""
    503/5.5.1 RCPT TO:<alice@example.org>
    503/5.5.1 DATA
    250 MAIL FROM:<b@elsewhere.example>
    503/5.5.1 MAIL FROM:<b@elsewhere.example>
    503/5.5.1 DATA
    250 RCPT TO:<alice@example.org>
    250 RSET
    503 DATA
    503 RCPT TO:<alice@example.org>
    250 MAIL FROM:<b@elsewhere.example>
    250 EHLO again.example
    503 RCPT TO:<alice@example.org>
    """)
script("mail-paths", HELLO + r"""
    250 MAIL FROM:<>
    250 RSET
    250 mail from:<b@elsewhere.example>
    250 RSET
    250 MAIL FROM:<"quoted local"@elsewhere.example>
    250 RSET
    250 MAIL FROM:<"a\"b\\c"@elsewhere.example>
    250 RSET
    250 MAIL FROM:<@r1.example,@r2.example:b@elsewhere.example>
    250 RSET
    250 MAIL FROM:<b@[127.0.0.1]>
    250 RSET
    250 MAIL FROM:<b+tag!#$%&'*/=?^_`{|}~@elsewhere.example>
    250 RSET
    250 MAIL FROM:<Postmaster>
    250 RSET
    501 MAIL
    501 MAIL FROM
    501 MAIL FROM:
    501 MAIL FROM:b@elsewhere.example
    501 MAIL FROM:<b@elsewhere.example
    501 MAIL FROM:<b@>
    501 MAIL FROM:<@elsewhere.example>
    501 MAIL FROM:<b..c@elsewhere.example>
    501 MAIL FROM:<.b@elsewhere.example>
    501 MAIL FROM:<b c@elsewhere.example>
    501 MAIL FROM:<b@else where.example>
    501 MAIL TO:<b@elsewhere.example>
    """)
script("mail-too-long", HELLO + r"""
    501 MAIL FROM:<$x300@elsewhere.example>
    501 MAIL FROM:<$x65@elsewhere.example>
    250 MAIL FROM:<$x64@elsewhere.example>
    250 RSET
    501 MAIL FROM:<b@$x300>
    """)
script("non-ascii", HELLO + r"""
    553/5.6.7 MAIL FROM:<bé@elsewhere.example>
    250 MAIL FROM:<b@elsewhere.example>
    553/5.6.7 RCPT TO:<é@example.org>
    """)
script("rcpt", HELLO + r"""
    250 MAIL FROM:<b@elsewhere.example>
    250/2.1.5 RCPT TO:<alice@example.org>
    250 rcpt to:<ALICE@EXAMPLE.ORG>
    250 RCPT TO:<postmaster>
    250 RCPT TO:<PostMaster@example.org>
    250 RCPT TO:<@relay.example:alice@example.org>
    250 RCPT TO:<"alice"@example.org>
    550/5.1.1 RCPT TO:<nobody@example.org>
    550/5.7.1 RCPT TO:<a@elsewhere.example>
    501 RCPT TO:<>
    501 RCPT TO:
    501 RCPT
    501 RCPT TO:alice@example.org
    501 RCPT TO:<alice>
    501 RCPT FROM:<alice@example.org>
    555/5.5.4 RCPT TO:<alice@example.org> NOSUCH=1
    """)
script("rcpt-none-valid", HELLO + r"""
    250 MAIL FROM:<b@elsewhere.example>
    550 RCPT TO:<nobody@example.org>
    554/5.5.1 DATA
    250 RCPT TO:<alice@example.org>
    354 DATA
    send .\r\n
    read 250
    """)
script("hundred-recipients", HELLO + "250 MAIL FROM:<b@elsewhere.example>\n" +
       "250 RCPT TO:<alice@example.org>\n" * 100 + f"354 DATA\nsend {TEXT}.\\r\\n\nread 250\n")
script("data", HELLO + SENT + f"""
    354 DATA
    send {TEXT}..\\r\\n..two\\r\\n.\\r\\n
    read 250/2.0.0
    503 DATA
    250 MAIL FROM:<b@elsewhere.example>
    """)
script("data-bare-line-ends", HELLO + SENT + r"""
    354 DATA
    send Subject: x\r\n\r\na\n.\nMAIL FROM:<evil@x.example>\r\n.\r\n
    read 554/5.6.0
    503 DATA
    """ + SENT + r"""
    354 DATA
    send a\r.\r\nb\r\n.\r\n
    read 554/5.6.0
    """ + SENT + r"""
    354 DATA
    send a\r\n.\rb\r\n.\n\r\n.\r\n
    read 554/5.6.0
    250 NOOP
    """)
script("data-nul", HELLO + SENT + r"""
    354 DATA
    send a\0b\r\n.\r\n
    read 554/5.6.0
    """)
script("data-long-line", HELLO + SENT + r"""
    354 DATA
    send Subject: x\r\n\r\n$x5000\r\n$x300é\r\n.\r\n
    read 250
    """)
script("data-empty", HELLO + SENT + r"""
    354 DATA
    send .\r\n
    read 250
    """)
script("loop", HELLO + SENT + r"""
    354 DATA
    send $loop\r\n.\r\n
    read 554/5.4.6
    """)
script("long-command", HELLO + r"""
    250 NOOP $x300$x300$x300
    500 NOOP $x5000$x5000$x5000$x5000
    250 NOOP
    """)
script("too-many-errors", HELLO + "500 NONSENSE\n" * 19 + """
    500 NONSENSE
    read 421/4.7.0
    end
    """)
script("parameters", HELLO + r"""
    250 MAIL FROM:<b@elsewhere.example> SIZE=1000
    250 RSET
    250 MAIL FROM:<b@elsewhere.example> size=1000 body=8bitmime
    250 RSET
    250 MAIL FROM:<b@elsewhere.example>  SIZE=0
    250 RSET
    250 MAIL FROM:<b@elsewhere.example> BODY=7BIT
    250 RSET
    552/5.3.4 MAIL FROM:<b@elsewhere.example> SIZE=99999999999
    552/5.3.4 MAIL FROM:<b@elsewhere.example> SIZE=99999999999999999999
    501/5.5.4 MAIL FROM:<b@elsewhere.example> SIZE=
    501/5.5.4 MAIL FROM:<b@elsewhere.example> SIZE
    501/5.5.4 MAIL FROM:<b@elsewhere.example> SIZE=-1
    501/5.5.4 MAIL FROM:<b@elsewhere.example> SIZE=1 SIZE=2
    501/5.5.4 MAIL FROM:<b@elsewhere.example> BODY=
    501/5.5.4 MAIL FROM:<b@elsewhere.example> BODY=9BIT
    555/5.5.4 MAIL FROM:<b@elsewhere.example> NOSUCH
    555/5.5.4 MAIL FROM:<b@elsewhere.example> NOSUCH=x
    501 MAIL FROM:<b@elsewhere.example>SIZE=1
    501 MAIL FROM:<b@elsewhere.example> =1
    250 MAIL FROM:<b@elsewhere.example>
    """)

# ---- RFC 2920 ----
script("pipelining", HELLO + f"""
    send MAIL FROM:<b@elsewhere.example>\\r\\nRCPT TO:<nobody@example.org>\\r\\nRCPT TO:<alice@example.org>\\r\\nDATA\\r\\n
    read 250/2.1.0
    read 550/5.1.1
    read 250/2.1.5
    read 354
    send {TEXT}.\\r\\nMAIL FROM:<c@elsewhere.example>\\r\\nRSET\\r\\nNOOP\\r\\nQUIT\\r\\n
    read 250
    read 250/2.1.0
    read 250/2.0.0
    read 250
    read 221
    end
    """)
script("pipelining-all-refused", HELLO + r"""
    send MAIL FROM:<b@elsewhere.example>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\nRSET\r\n
    read 250
    read 550
    read 554
    read 250
    """)
script("split-bytes", HELLO + r"""
    send MAIL FR
    send OM:<b@elsewhere.example>\r
    send \nRCPT TO:<alice@example.org>\r\n
    read 250
    read 250
    354 DATA
    send a\r\n.
    send \r
    send \n
    read 250
    """)

# ---- RFC 3030 ----
script("bdat", HELLO + SENT + r"""
    send BDAT 12\r\nSubject: x\r\nBDAT 6 LAST\r\n\r\n..\r\n
    read 250/2.0.0
    read 250/2.0.0
    503 BDAT 0 LAST
    """ + SENT + r"""
    send bdat 3 last\r\na\r\n
    read 250
    """ + SENT + r"""
    250 BDAT 0 LAST
    """)
script("bdat-order", HELLO + r"""
    send BDAT 3\r\na\r\n
    read 503
    """ + SENT + r"""
    send BDAT 3\r\na\r\n
    read 250
    503/5.5.1 MAIL FROM:<b@elsewhere.example>
    503/5.5.1 RCPT TO:<alice@example.org>
    503/5.5.1 DATA
    250 NOOP
    250 RSET
    503 BDAT 0 LAST
    """)
script("bdat-arguments", HELLO + SENT + r"""
    501/5.5.4 BDAT
    501/5.5.4 BDAT x
    501/5.5.4 BDAT -1
    """ + SENT + r"""
    send BDAT 6 FIRST\r\nRSET\r\n
    read 501/5.5.4
    250 NOOP
    503 BDAT 0 LAST
    """ + SENT + r"""
    send BDAT 2 LAST\r\na\n
    read 554
    250 NOOP
    """)
script("bdat-pipelined", HELLO + r"""
    send MAIL FROM:<b@elsewhere.example>\r\nRCPT TO:<alice@example.org>\r\nBDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nNOOP\r\n
    read 250/2.1.0
    read 250/2.1.5
    read 250
    read 250
    read 250
    """)

# ---- RFC 3207 ----
script("starttls", HELLO + r"""
    501 STARTTLS now
    250 MAIL FROM:<b@elsewhere.example>
    220 STARTTLS
    tls
    503/5.5.1 MAIL FROM:<b@elsewhere.example>
    250 EHLO client.example
    no STARTTLS
    503 STARTTLS
    """ + SENT)
script("starttls-injection", HELLO + r"""
    send STARTTLS\r\nNOOP\r\n
    read 554
    end
    """)

# ---- RFC 6409, 4954 ----
script("submission-needs-tls", HELLO + r"""
    has STARTTLS
    no AUTH.*
    530/5.7.0 MAIL FROM:<alice@example.org>
    530 AUTH PLAIN $plain
    """, "submission")
script("submission", SECURE + r"""
    has AUTH .*PLAIN.*
    530/5.7.0 MAIL FROM:<alice@example.org>
    235/2.7.0 AUTH PLAIN $plain
    503/5.5.1 AUTH PLAIN $plain
    250 MAIL FROM:<alice@example.org> AUTH=<> SIZE=10
    503 AUTH PLAIN $plain
    550/5.7.1 RCPT TO:<c@elsewhere.example>
    250 RCPT TO:<alice@example.org>
    354 DATA
    """ + f"send {TEXT}.\\r\\n\nread 250\n" + r"""
    501/5.5.4 MAIL FROM:<alice@example.org> AUTH=
    """, "submission")
script("auth-before-ehlo", r"""
    503 AUTH PLAIN $plain
    530 MAIL FROM:<alice@example.org>
    """.replace("    530", "    503"), "submissions")
script("auth-plain", HELLO + r"""
    501/5.5.4 AUTH
    504/5.5.4 AUTH NOSUCH
    501/5.5.2 AUTH PLAIN !!!
    501/5.5.2 AUTH PLAIN =
    334 AUTH PLAIN
    501 *
    334 auth plain
    501/5.5.2 not base64
    334 AUTH PLAIN
    500 $x5000$x5000$x5000
    250 NOOP
    535/5.7.8 AUTH PLAIN $wrong
    334 AUTH PLAIN
    235/2.7.0 $plain
    250 MAIL FROM:<alice@example.org>
    """, "submissions")
script("auth-login", HELLO + r"""
    334 AUTH LOGIN
    334 $user64
    501 *
    334 AUTH LOGIN $user64
    235/2.7.0 $password64
    """, "submissions")
script("auth-not-at-mx", SECURE + r"""
    no AUTH.*
    502 AUTH PLAIN $plain
    """)


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Session:
    def __init__(self, estate, endpoint, values):
        self.estate, self.values, self.lines = estate, values, []
        self.sock = socket.create_connection(("127.0.0.1", estate.ports[endpoint]), 30)
        if endpoint == "submissions":
            self.tls()
        else:
            self.file = self.sock.makefile("rb")
        self.read("220", plain=True)

    def tls(self):
        self.sock = self.estate.context.wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")

    def read(self, want, plain=False):
        """A reply of the code wanted; `plain`: without an enhanced code (RFC 2034 4)."""
        self.lines = []
        while not self.lines or self.lines[-1][3:4] == "-":
            line = self.file.readline().decode()
            if not line.endswith("\r\n") or len(line) > 512 or not re.match(r"[2345]\d\d[ -]", line):
                raise harness.Failed(f"malformed reply {line!r}")
            self.lines.append(line[:-2])
        code, _, enhanced = want.partition("/")
        if any(x[:3] != code for x in self.lines):
            raise harness.Failed(f"was {self.lines}")
        if plain or code in ("334", "354"):
            return
        for x in self.lines:
            m = re.match(r"([245])\.\d{1,3}\.\d{1,3} \S", x[4:])
            if not m or m.group(1) != code[0]:
                raise harness.Failed(f"enhanced code of {x!r}")
            if enhanced and not x[4:].startswith(enhanced + " "):
                raise harness.Failed(f"was {x!r}")

    def step(self, step):
        word, _, rest = step.partition(" ")
        rest = re.sub(r"\$([a-z]+\d*)", lambda m: self.values.get(m.group(1), m.group(0)), rest)
        if word == "send":
            for code, byte in (("\\r", "\r"), ("\\n", "\n"), ("\\0", "\0")):
                rest = rest.replace(code, byte)
            self.sock.sendall(rest.encode())
        elif word == "read":
            self.read(rest)
        elif word == "tls":
            self.tls()
        elif word == "end":
            if self.file.read(1):
                raise harness.Failed("the connection stays")
        elif word in ("has", "no"):
            if any(re.fullmatch(rest, x[4:]) for x in self.lines) != (word == "has"):
                raise harness.Failed(f"in {self.lines}")
        else:
            self.sock.sendall(rest.encode() + b"\r\n")
            self.read(word, plain=bool(re.match(r"(?i)(ehlo|helo) .", rest)) and word == "250")

    def run(self, text):
        for number, step in enumerate(text.splitlines(), 1):
            step = step.lstrip()
            if step:
                try:
                    self.step(step)
                except (harness.Failed, OSError) as x:
                    raise harness.Failed(f"step {number} `{step[:100]}`: {x}") from None


def scripts(e):
    """every script, or those named on the command line"""
    password = e.password()
    values = {"plain": b64(f"\0alice\0{password}"), "wrong": b64("\0alice\0wrong"), "user64": b64("alice"),
              "password64": b64(password), "loop": "Received: x\r\n" * 101,
              **{f"x{n}": "x" * n for n in (64, 65, 300, 5000)}}
    e.context, e.ports = e.tls(), {n: e.port(n) for n in ("smtp", "submission", "submissions")}
    items = [s for s in SCRIPTS if s[0] in sys.argv] or SCRIPTS
    found = []
    for name, text, endpoint in items:
        try:
            Session(e, endpoint, values).run(text)
        except (harness.Failed, OSError) as x:
            found.append(f"{name}: {x}")
    if found:
        raise harness.Failed(f"{len(found)} of {len(items)} scripts\n" + "\n".join(found))
    print(f"# {len(items)} scripts")


if __name__ == "__main__":
    sys.exit(harness.main([scripts], targets=("unix", "virt")))
