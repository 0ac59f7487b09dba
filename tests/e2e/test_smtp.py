#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""SMTP against a running appliance, with swaks, curl, smtplib and raw sockets.

Each test names in its doc string the one-line breakage it catches."""
import base64
import imaplib
import os
import re
import smtplib
import socket
import subprocess
import sys
import tempfile
import uuid

import harness


def imap(estate):
    conn = imaplib.IMAP4_SSL("localhost", estate.port("imaps"), ssl_context=estate.tls(), timeout=60)
    conn.login("alice", estate.password())
    conn.select("INBOX")
    return conn


def find(estate, marker):
    """Whole bytes of every message in INBOX whose Subject holds the marker."""
    conn = imap(estate)
    status, data = conn.uid("SEARCH", "SUBJECT", f'"{marker}"')
    assert status == "OK", data
    out = []
    for uid in data[0].split():
        status, got = conn.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
        assert status == "OK", got
        out.append(got[0][1])
    conn.logout()
    return out


def mark():
    return "m" + uuid.uuid4().hex


def text(marker, body=b"hello\r\n"):
    return b"From: b@elsewhere.example\r\nTo: alice@example.org\r\nSubject: " + marker.encode() + b"\r\n\r\n" + body


class Raw:
    """One command, one answer, nothing in between."""

    def __init__(self, estate, endpoint="smtp"):
        self.sock = socket.create_connection(("127.0.0.1", estate.port(endpoint)), 60)
        self.file = self.sock.makefile("rb")
        self.expect(b"220")

    def send(self, data):
        self.sock.sendall(data)

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line.rstrip(b"\r\n")

    def expect(self, code):
        got = self.reply()
        assert got.startswith(code), f"expected {code}, got {got}"
        return got

    def say(self, line, code):
        self.send(line + b"\r\n")
        return self.expect(code)

    def tls(self, estate):
        self.say(b"STARTTLS", b"220")
        self.file.close()
        self.sock = estate.tls().wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")

    def envelope(self, rcpt=b"alice@example.org"):
        self.say(b"EHLO test.example", b"250")
        self.say(b"MAIL FROM:<b@elsewhere.example>", b"250 2.1.0")
        self.say(b"RCPT TO:<" + rcpt + b">", b"250 2.1.5")


def login(raw, estate):
    raw.say(b"EHLO test.example", b"250")
    raw.tls(estate)
    raw.say(b"EHLO test.example", b"250")
    secret = base64.b64encode(b"\0alice\0" + estate.password().encode())
    raw.say(b"AUTH PLAIN " + secret, b"235 2.7.0")


def test_swaks_delivers_as_mx_and_as_submission(estate):
    """The 250 after DATA is sent without the append."""
    for extra in ([], ["--tls"], ["--tls", "--auth", "LOGIN", "--auth-user", "alice", "--auth-password", estate.password()]):
        marker = mark()
        port = estate.port("submission" if "--auth" in extra else "smtp")
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{port}", "--from", "b@elsewhere.example", "--to",
                               "alice@example.org", "--header", f"Subject: {marker}", *extra], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(find(estate, marker)) == 1


def test_curl_submits_with_tls_required(estate):
    """The submission port forgets to offer AUTH after STARTTLS."""
    marker = mark()
    with tempfile.NamedTemporaryFile() as mail:
        mail.write(text(marker))
        mail.flush()
        for url in (f"smtp://localhost:{estate.port('submission')}", f"smtps://localhost:{estate.port('submissions')}"):
            done = subprocess.run(["curl", "-sS", "--ssl-reqd", "--cacert", estate.ca, "--url", url, "--user",
                                   f"alice@example.org:{estate.password()}", "--mail-from", "alice@example.org", "--mail-rcpt",
                                   "alice@example.org", "--upload-file", mail.name], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    assert len(find(estate, marker)) == 2


def test_bytes_come_back_as_they_were_sent(estate):
    """Dots stay stuffed, or a large body loses a frame."""
    bodies = [b"", b"\r\n", b".\r\n..\r\n...\r\n", "grüße äöü €\r\n".encode(), bytes(range(1, 10)) + b"\x80\xff\r\n",
              b"long " * 40000 + b"\r\n", b"no end of line", os.urandom(1 << 20).replace(b"\0", b"x").replace(b"\r", b"y").replace(b"\n", b"z")]
    for body in bodies:
        marker = mark()
        with smtplib.SMTP("localhost", estate.port("smtp"), timeout=60) as smtp:
            smtp.sendmail("b@elsewhere.example", ["alice@example.org"], text(marker, body))
        got, = find(estate, marker)
        want = text(marker, body if body.endswith(b"\r\n") or not body else body + b"\r\n")
        assert got.endswith(want), f"{got[-200:]} is not the end of {want[-200:]}"
        trace = got[:-len(want)].decode()
        assert re.fullmatch(r"Return-Path: <b@elsewhere\.example>\r\nReceived: from [^\r]+(\r\n\t[^\r]+)*\r\n", trace), trace


def test_25_megabytes(estate):
    """A spool frame is written at the wrong place once there are more than a few."""
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body, marker = b"".join(b"%08d " % n + line for n in range(25_000_000 // 75)), mark()
    with smtplib.SMTP("localhost", estate.port("smtp"), timeout=300) as smtp:
        smtp.sendmail("b@elsewhere.example", ["alice@example.org"], text(marker, body))
    got, = find(estate, marker)
    assert got.endswith(body)


def test_text_with_bare_line_ends_is_refused(estate):
    """A dot after a bare LF ends the text: what follows is smuggled in as commands."""
    for end in (b"\n.\r\n", b"\r\n.\n", b"\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r.\r", b"\r\r\n.\r\r\n"):
        marker = mark()
        smuggled = b"MAIL FROM:<b@elsewhere.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n" + text(marker, b"smuggled\r\n")
        raw = Raw(estate)
        raw.envelope()
        raw.say(b"DATA", b"354")
        raw.send(text(marker, b"first") + end + smuggled + b"\r\n.\r\n")
        raw.expect(b"554 5.6.0")
        raw.say(b"NOOP", b"250")
        assert find(estate, marker) == [], end


def test_relaying_is_refused(estate):
    """The domain of a recipient is not looked at."""
    raw = Raw(estate)
    raw.say(b"EHLO test.example", b"250")
    raw.say(b"MAIL FROM:<b@elsewhere.example>", b"250")
    raw.say(b"RCPT TO:<c@third.example>", b"550 5.7.1")
    raw.say(b"RCPT TO:<nobody@example.org>", b"550 5.1.1")
    raw.say(b"DATA", b"554")
    raw = Raw(estate, "submission")
    login(raw, estate)
    raw.say(b"MAIL FROM:<alice@example.org>", b"250")
    assert b"not built yet" in raw.say(b"RCPT TO:<c@third.example>", b"550 5.7.1")


def test_nothing_secret_before_tls(estate):
    """AUTH is offered or accepted on a bare connection."""
    for endpoint, code in (("smtp", b"502"), ("submission", b"530")):
        raw = Raw(estate, endpoint)
        raw.send(b"EHLO test.example\r\n")
        words = b""
        while True:
            line = raw.file.readline()
            words += line
            if line[3:4] == b" ":
                break
        assert b"AUTH" not in words and b"STARTTLS" in words
        raw.say(b"AUTH PLAIN AGEAYg==", code)
    raw.say(b"MAIL FROM:<alice@example.org>", b"530")


def test_commands_sent_ahead_of_tls_are_not_obeyed(estate):
    """Bytes read ahead of the handshake are taken as said inside TLS (CVE-2011-0411)."""
    raw = Raw(estate)
    raw.say(b"EHLO test.example", b"250")
    raw.send(b"STARTTLS\r\nNOOP\r\n")
    raw.expect(b"554")
    assert raw.file.readline() == b""


def test_wrong_passwords(estate):
    """A failed login is not counted, so guessing is free."""
    raw = Raw(estate, "submission")
    raw.say(b"EHLO test.example", b"250")
    raw.tls(estate)
    raw.say(b"EHLO test.example", b"250")
    for _ in range(3):
        raw.say(b"AUTH PLAIN " + base64.b64encode(b"\0alice\0wrong"), b"535 5.7.8")
    raw.expect(b"421")


def test_pipelining_and_chunking(estate):
    """A BDAT chunk's bytes are read as commands after a refusal."""
    marker = mark()
    part = text(marker)
    raw = Raw(estate)
    raw.say(b"EHLO test.example", b"250")
    raw.send(b"MAIL FROM:<b@elsewhere.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<alice@example.org>\r\n"
             b"BDAT %d\r\n" % len(part) + part + b"BDAT 7\r\nend\r\n\r\nBDAT 0 LAST\r\nNOOP\r\n")
    for code in (b"250 2.1.0", b"550 5.1.1", b"250 2.1.5", b"250", b"250", b"250 2.0.0 stored", b"250"):
        raw.expect(code)
    got, = find(estate, marker)
    assert got.endswith(part + b"end\r\n\r\n")
    raw.send(b"MAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    for code in (b"250", b"550", b"554", b"250"):
        raw.expect(code)


def test_too_large(estate):
    """SIZE is advertised and not enforced."""
    raw = Raw(estate)
    raw.say(b"EHLO test.example", b"250")
    raw.say(b"MAIL FROM:<b@elsewhere.example> SIZE=1000000000", b"552 5.3.4")
    raw.say(b"MAIL FROM:<b@elsewhere.example>", b"250")
    raw.say(b"RCPT TO:<alice@example.org>", b"250")
    raw.say(b"DATA", b"354")
    block = (b"x" * 998 + b"\r\n") * 1000
    for _ in range(60):
        raw.send(block)
    raw.send(b".\r\n")
    raw.expect(b"552 5.3.4")
    raw.say(b"NOOP", b"250")


def test_syntax(estate):
    """A malformed command is obeyed as if it were right."""
    raw = Raw(estate)
    for line, code in ((b"MAIL FROM:<a@b.example>", b"503"), (b"EHLO", b"501"), (b"HELO test.example", b"250"),
                       (b"RCPT TO:<alice@example.org>", b"503"), (b"DATA", b"503"), (b"MAIL FROM:a@b.example", b"501"),
                       (b"MAIL FROM:<a@b.example> FOO=1", b"555"), (b"MAIL FROM:<a@b.example> SIZE=x", b"501"),
                       (b"FOO", b"500"), (b"VRFY alice", b"252"), (b"EXPN x", b"502"), (b"HELP", b"214"),
                       (b"mail from:<>", b"250"), (b"MAIL FROM:<>", b"503"), (b"rcpt to:<Alice+Tag@Example.ORG>", b"250"),
                       (b"RCPT TO:<postmaster>", b"250"), (b"RCPT TO:<>", b"501"), (b"RSET", b"250"),
                       (b"X" * 13000, b"500"), (b"NOOP", b"250"), (b"QUIT", b"221")):
        raw.say(line, code)


def test_200_connections_at_once(estate):
    """Connections from one address are limited, though behind user networking all have the same."""
    crowd = [Raw(estate) for _ in range(200)]
    for raw in crowd:
        raw.say(b"EHLO test.example", b"250")
    for raw in crowd:
        raw.say(b"QUIT", b"221")


sys.exit(harness.main([f for n, f in list(globals().items()) if n.startswith("test_")], targets=("virt",), shared=True))
