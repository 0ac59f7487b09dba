#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Stock git clones and fetches from a running appliance, by protocol v2 and v0."""
import gzip
import imaplib
import os
import smtplib
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import harness
import mailmodel


class Git:
    """git, alone with its configuration, trusting the estate and knowing one password."""

    def __init__(self, e, user="alice", password=None):
        self.e, self.base = e, e.service()["endpoints"]["git"]
        self.env = {"PATH": os.environ["PATH"], "HOME": e.folder, "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_SSL_CAINFO": e.ca, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_AUTHOR_NAME": "t",
                    "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
        helper = os.path.join(e.folder, f"askpass-{user}-{password}")
        with open(helper, "w", opener=lambda p, f: os.open(p, f, 0o700)) as f:
            f.write(f"#!/bin/sh\ncase $1 in User*) echo {user};; *) echo {password or e.password()};; esac\n")
        self.env["GIT_ASKPASS"] = helper

    def run(self, *args, cwd=None):
        return subprocess.run(["git", *args], cwd=cwd or self.e.folder, env=self.env, capture_output=True,
                              text=True, errors="replace", timeout=300, check=False)

    def __call__(self, *args, cwd=None, good=True):
        done = self.run(*args, cwd=cwd)
        if good and done.returncode != 0:
            raise harness.Failed(f"git {' '.join(args)}: {done.returncode}\n{done.stderr}")
        if not good and done.returncode == 0:
            raise harness.Failed(f"git {' '.join(args)} was not refused")
        return done.stdout.strip() if good else done.stderr

    def url(self, user="alice"):
        return f"{self.base}/{user}.git"



def our_tip(e):
    """The tip as `allod log` names it (shortened)."""
    return e.run("log", "mail").stdout.split()[0]


def append(e, count, size=1000, start=0):
    imap = mailmodel.connect_imap(e.port("imaps"), "alice", e.password(), e.tls())
    for n in range(start, start + count):
        text = f"Subject: {n}\r\nFrom: a@example.org\r\n\r\n".encode() + os.urandom(size // 2).hex().encode() + b"\r\n"
        status, data = imap.append("INBOX", None, None, text)
        assert status == "OK", data
    imap.logout()


def check(git, repo, e, objects=True):
    head = git("rev-parse", "HEAD", cwd=repo)
    assert head.startswith(our_tip(e)), (head, our_tip(e))
    if objects:
        git("fsck", "--strict", "--full", cwd=repo)
    return head


def missing(git, repo, old):
    """Objects that `old`..HEAD brought."""
    return len(git("rev-list", "--objects", "HEAD", "^" + old, cwd=repo).splitlines())


def packed(git, repo):
    rows = dict(line.split(": ") for line in git("count-objects", "-v", cwd=repo).splitlines())
    return int(rows["count"]) + int(rows["in-pack"])


def clones_and_fetches(e):
    """Breakage: a fetch sends everything again; or a tree that only the new commit names is left out."""
    git = Git(e)
    append(e, 40)
    append(e, 1, 300000, 40)
    for version in ("2", "0"):
        repo = os.path.join(e.folder, "v" + version)
        git("-c", f"protocol.version={version}", "clone", "-q", git.url(), repo)
        assert git("symbolic-ref", "HEAD", cwd=repo) == "refs/heads/alice"
        old = check(git, repo, e)
        for round_ in range(3):
            append(e, 2, start=100 + round_)
            before = packed(git, repo)
            git("-c", f"protocol.version={version}", "-c", "fetch.unpackLimit=1", "pull", "-q", "--ff-only", cwd=repo)
            new = check(git, repo, e)
            assert new != old
            # what came is what was lacking, or hardly more
            came, lacked = packed(git, repo) - before, missing(git, repo, old)
            assert lacked <= came <= lacked + 5, (came, lacked)
            old = new
        git("-c", f"protocol.version={version}", "fetch", "-q", cwd=repo)
        assert len(os.listdir(os.path.join(repo, "INBOX"))) > 0
    # an earlier commit by name
    git("init", "-q", "one")
    first = git("rev-parse", "HEAD~2", cwd=repo)
    git("fetch", "-q", git.url(), first, cwd=os.path.join(e.folder, "one"))


def shallow(e):
    """Breakage: parents of the boundary are taken for held, so that --unshallow brings commits without trees."""
    git = Git(e)
    append(e, 30)
    total = None
    for version in ("2", "0"):
        v = ("-c", f"protocol.version={version}")
        repo = os.path.join(e.folder, "s" + version)
        git(*v, "clone", "-q", "--depth", "1", git.url(), repo)
        check(git, repo, e)
        count = lambda: len(git("rev-list", "HEAD", cwd=repo).split())
        assert count() == 1, count()
        append(e, 3, start=200)
        git(*v, "pull", "-q", "--ff-only", cwd=repo)
        check(git, repo, e)
        assert count() > 1
        had = count()
        git(*v, "fetch", "-q", "--deepen", "4", cwd=repo)
        check(git, repo, e)
        assert count() == had + 4, (count(), had)
        git(*v, "fetch", "-q", "--depth", "2", cwd=repo)
        check(git, repo, e)
        assert count() == 2, count()
        git(*v, "fetch", "-q", "--unshallow", cwd=repo)
        check(git, repo, e)
        assert not os.path.exists(os.path.join(repo, ".git/shallow"))
        full = os.path.join(e.folder, "f" + version)
        git(*v, "clone", "-q", "--bare", git.url(), full)
        total = len(git("rev-list", "HEAD", cwd=full).split())
        assert count() == total > 30, (count(), total)


def answers(e):
    """Breakage: another user's repository is served, or answered otherwise than one that does not exist."""
    git = Git(e)
    append(e, 3)
    e.run("user", "add", "bob")
    secret = e.json("user", "app-password", "bob", "--client", "git")["password"]
    bob = Git(e, "bob", secret)
    assert "Authentication failed" in Git(e, "alice", "wrong-wrong-wrong")("clone", "-q", git.url(), "no", good=False)
    said = [bob("clone", "-q", bob.url(u), "no", good=False).replace(u, "X") for u in ("alice", "nobody", "estate")]
    assert len(set(said)) == 1 and "not found" in said[0], said
    bob("clone", "-q", bob.url("bob"), "bobs")  # empty, or nothing of alice's
    git("clone", "-q", git.url(), "mine")
    mine = os.path.join(e.folder, "mine")
    # what bob may not see he may not want either, though he knows its name
    head = git("rev-parse", "HEAD", cwd=mine)
    assert "not our ref" in bob("fetch", "-q", bob.url("bob"), head, cwd=os.path.join(e.folder, "bobs"), good=False)
    tree = git("rev-parse", "HEAD^{tree}", cwd=mine)
    assert "not our ref" in git("fetch", "-q", git.url(), tree, cwd=os.path.join(e.folder, "bobs"), good=False)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=mine, good=True)
    assert "push to refs/devices/<device>/alice" in git("push", cwd=mine, good=False)
    git("clone", "-q", "--bare", "--filter=blob:none", git.url(), "filtered")  # ignored, as git does
    raw_answers(e, git, secret)


def raw_answers(e, git, secret):
    """What git would not ask."""
    def ask(path, user=None, data=None, **headers):
        request = urllib.request.Request(git.base + path, data=data, headers=headers)
        if user:
            import base64
            request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
        try:
            with urllib.request.urlopen(request, context=e.tls(), timeout=60) as reply:
                return reply.status, reply.read(), reply.headers
        except urllib.error.HTTPError as err:
            return err.code, err.read(), err.headers
    me = "alice:" + e.password()
    status, _, headers = ask("/alice.git/info/refs?service=git-upload-pack")
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic realm="), status
    assert ask("/alice.git/info/refs", me)[0] == 403
    assert ask("/alice.git/HEAD", me)[0] == 404
    assert ask("/alice.git/../estate.git/info/refs?service=git-upload-pack", me)[0] in (400, 404)
    kind = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
    post = lambda data, **more: ask("/alice.git/git-upload-pack", me, data, **kind, **more)
    listing = b"0014command=ls-refs\n00010000"
    status, plain, _ = post(listing)
    assert status == 200 and b" refs/heads/alice\n" in plain and b"estate" not in plain, plain
    packed = post(gzip.compress(listing), **{"Content-Encoding": "gzip"})
    assert packed[1] == plain, packed
    for bad in (b"", b"0003", b"zzzz", b"0014command=ls-refs\n", b"ffff", b"0012command=fetch\n0001000fwant 1234\n0000",
                b"0013command=frobni\n0000"):
        status, text, _ = post(bad)
        assert status == 200 and text[4:8] == b"ERR ", (bad, status, text)
    bomb = gzip.compress(b"0032have " + b"1" * 40 + b"\n" + b"0" * 64_000_000)
    assert b"ERR " in post(bomb, **{"Content-Encoding": "gzip"})[1]
    assert post(b"not gzip", **{"Content-Encoding": "gzip"})[1][4:8] == b"ERR "


def tokens(e):
    """Breakage: a device's token is good for another device's ref, or for a mail client, or after it was revoked."""
    append(e, 3)
    made = e.json("user", "device-token", "alice", "--device", "laptop", "--days", "2")
    assert sorted(made) == ["device", "expires", "token", "user"] and made["device"] == "laptop", made
    assert 0 < made["expires"] - time.time() <= 2 * 86400, made
    token, other = made["token"], e.json("user", "device-token", "alice", "--device", "other")
    assert 179 * 86400 < other["expires"] - time.time() <= 180 * 86400, other
    listed = e.json("user", "passwords", "alice")
    assert {t["device"]: t["expires"] for t in listed["tokens"]} == {m["device"]: m["expires"] for m in (made, other)}, listed
    git, bearer = Git(e, "alice@example.org", token), Git(e, "nobody", "x")
    header = ("-c", "http.extraHeader=Authorization: Bearer " + token)
    git("clone", "-q", git.url(), "by-password")
    bearer(*header, "clone", "-q", git.url(), "by-header")
    repo = os.path.join(e.folder, "by-header")
    mine, phone = "refs/devices/laptop/alice", "refs/devices/phone/alice"
    bearer(*header, "push", "-q", "origin", "HEAD:" + mine, cwd=repo)
    git("push", "-q", "origin", "HEAD:" + mine, cwd=os.path.join(e.folder, "by-password"))
    said = bearer(*header, "push", "origin", "HEAD:" + phone, cwd=repo, good=False)
    assert "the device's called laptop: push to refs/devices/laptop/alice" in said, said
    said = bearer(*header, "push", "--atomic", "origin", ":" + mine, "HEAD:" + phone, cwd=repo, good=False)
    assert "the push is to be atomic" in said and mine in bearer(*header, "ls-remote", cwd=repo), said
    bearer("commit", "-q", "--allow-empty", "-m", "x", cwd=repo)
    assert "written by this server alone" in bearer(*header, "push", cwd=repo, good=False)
    assert "not found" in git("clone", "-q", git.url("bob"), "no", good=False)
    # nothing else takes it, git takes no app password for one
    imap = imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=e.tls())
    try:
        imap.login("alice", token)
        raise harness.Failed("a token reads mail by IMAP")
    except imaplib.IMAP4.error as err:
        assert "AUTHENTICATIONFAILED" in str(err), err
    imap.logout()
    with smtplib.SMTP_SSL("localhost", e.port("submissions"), context=e.tls(), timeout=60) as smtp:
        try:
            smtp.login("alice", token)
            raise harness.Failed("a token sends mail")
        except smtplib.SMTPAuthenticationError as err:
            assert err.smtp_code == 535, err
    header = ("-c", "http.extraHeader=Authorization: Bearer " + e.password())
    assert "Authentication failed" in bearer(*header, "ls-remote", git.url(), good=False)
    # the one that is taken back, alone
    e.run("user", "revoke", "alice", "--device", "laptop")
    assert "Authentication failed" in git("ls-remote", git.url(), good=False)
    e.run("user", "revoke", "alice", "--device", "laptop", code=1)
    Git(e, "alice", other["token"])("ls-remote", git.url())
    assert [t["device"] for t in e.json("user", "passwords", "alice")["tokens"]] == ["other"]
    # as well while nothing runs
    e.down()
    again = e.json("user", "device-token", "alice", "--device", "laptop")["token"]
    e.run("user", "revoke", "alice", "--device", "other")
    e.up()
    git = Git(e, "alice", again)
    git("ls-remote", git.url())
    assert "Authentication failed" in Git(e, "alice", other["token"])("ls-remote", git.url(), good=False)


def big_while_delivering(e):
    """Breakage: the pack is built in memory: 2,000 messages do not fit a 48 MB machine; or the tip is read twice."""
    git = Git(e)
    append(e, 2000, 3000)
    stop, sent = threading.Event(), []

    def deliver():
        with smtplib.SMTP("localhost", e.port("smtp"), timeout=60) as smtp:
            while not stop.is_set():
                smtp.sendmail("x@elsewhere.example", ["alice@example.org"], b"Subject: during\r\n\r\nx\r\n")
                sent.append(1)
    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        for version in ("2", "0"):
            git("-c", f"protocol.version={version}", "clone", "-q", "--bare", git.url(), "big" + version)
            git("fsck", "--strict", "--full", cwd=os.path.join(e.folder, "big" + version))
    finally:
        stop.set()
        thread.join()
    assert len(sent) > 3, "nothing was delivered meanwhile"
    repo = os.path.join(e.folder, "big2")
    git("fetch", "-q", "origin", "+refs/heads/*:refs/heads/*", cwd=repo)
    assert git("rev-parse", "alice", cwd=repo).startswith(our_tip(e))
    git("fsck", "--strict", "--full", cwd=repo)
    names = git("ls-tree", "-r", "--name-only", "alice", cwd=repo).splitlines()
    assert sum("/.m/" in n for n in names) == 2000 + len(sent), (len(names), len(sent))
    assert e.service()["restarts"] == 0


if __name__ == "__main__":
    sys.exit(harness.main([clones_and_fetches, shallow, answers, tokens, big_while_delivering], targets=("virt", "unix")))
