# SPDX-License-Identifier: ISC
"""The thinnest IMAP, SMTP and LMTP client that can saturate a server: raw sockets, no parsing beyond tags."""
import socket
import time


class Line:
    def __init__(self, host, port, context=None):
        self.sock = socket.create_connection((host, port), 120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.rest = b""

    def line(self):
        while b"\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError("the server hung up")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line

    def send(self, data):
        self.sock.sendall(data)

    def close(self):
        self.sock.close()


class Imap(Line):
    def __init__(self, host, port, context, user, password):
        super().__init__(host, port, context)
        self.line()
        self.command(b'LOGIN "%s" "%s"' % (user.encode(), password.encode()))

    def until(self, tag):
        """Reads to the tagged answer, counting bytes; large answers are not split into lines."""
        mark, total, tail = b"\r\n" + tag + b" ", len(self.rest), b"\r\n" + self.rest
        while True:
            at = tail.find(mark)
            if at >= 0 and tail.find(b"\r\n", at + 2) >= 0:
                end = tail.find(b"\r\n", at + 2)
                answer = tail[at + 2:end]
                self.rest = tail[end + 2:]
                if not answer[len(tag) + 1:].startswith(b"OK"):
                    raise RuntimeError(answer.decode(errors="replace"))
                return total
            more = self.sock.recv(1 << 18)
            if not more:
                raise EOFError("the server hung up")
            total += len(more)
            tail = (tail[-200:] if at < 0 else tail[at:]) + more

    def answer(self, text):
        """All of a small answer."""
        self.send(b"x " + text + b"\r\n")
        got = []
        while not got or not got[-1].startswith(b"x "):
            got.append(self.line())
        return b"\n".join(got)

    def command(self, text):
        self.send(b"x " + text + b"\r\n")
        return self.until(b"x")

    def timed(self, text, repeat=3):
        """Least of `repeat` runs, seconds; and bytes of the answer."""
        best, size = None, 0
        for _ in range(repeat):
            start = time.monotonic()
            size = self.command(text)
            took = time.monotonic() - start
            best = took if best is None else min(best, took)
        return best, size

    def append(self, mailbox, *messages):
        """One APPEND: of several messages (RFC 3502) without waiting for a go-ahead, of one with."""
        if len(messages) > 1:
            self.send(b"x APPEND " + mailbox + b"".join(b" {%d+}\r\n%s" % (len(m), m) for m in messages) + b"\r\n")
        else:
            self.send(b"x APPEND %s {%d}\r\n" % (mailbox, len(messages[0])))
            while not self.line().startswith(b"+"):
                pass
            self.send(messages[0] + b"\r\n")
        self.until(b"x")


class Mail(Line):
    """SMTP (hello=b"EHLO bench") or LMTP (hello=b"LHLO bench"), in the clear."""

    def __init__(self, host, port, hello):
        super().__init__(host, port)
        self.reply()
        self.send(hello + b"\r\n")
        self.reply()

    def reply(self):
        while True:
            line = self.line()
            if line[3:4] != b"-":
                if line[:1] not in b"23":
                    raise RuntimeError(line.decode(errors="replace"))
                return line

    def deliver(self, rcpt, message, pipelined=True):
        """One message as a sender does it, pipelining where the server can."""
        envelope = (b"MAIL FROM:<bench@elsewhere.example>\r\n", b"RCPT TO:<%s>\r\n" % rcpt, b"DATA\r\n")
        for part in (b"".join(envelope),) if pipelined else envelope:
            self.send(part)
            for _ in range(part.count(b"\n")):
                self.reply()
        self.send(message + b"\r\n.\r\n")
        self.reply()
