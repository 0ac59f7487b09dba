#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Stock git cloning and fetching from the mail appliance (unix target) and from git http-backend behind lighttpd (a CGI
for each request, as its manual shows), both by HTTPS, over the same commits; they take turns. The peer's repository is a
bare clone after `git gc`: deltas, bitmaps and all. Both ask for a password.

    bench/git.py [--messages N] [--rounds N]       a message is about one and a half objects
"""
import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mail  # noqa: E402
import peers  # noqa: E402

LIGHTTPD = """
server.document-root = "{run}"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi", "mod_openssl")
auth.backend = "plain"
auth.backend.plain.userfile = "{run}/users"
auth.require = ("/git" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
server.stream-response-body = 1
ssl.engine = "enable"
ssl.pemfile = "{run}/cert.pem"
ssl.privkey = "{run}/key.pem"
alias.url = ("/git" => "{backend}")
cgi.assign = ("" => "")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "{run}/repos", "GIT_HTTP_EXPORT_ALL" => "", "PATH" => "/usr/bin:/bin")
"""


@contextlib.contextmanager
def http_backend():
    """The folder for its repositories, their base URL and the certificate."""
    root = peers.unpacked("lighttpd", "lighttpd-mod-openssl")
    run = tempfile.mkdtemp(prefix="lighttpd-bench-")
    os.chmod(run, 0o755)
    peers.certificate(run + "/cert.pem", run + "/key.pem")
    backend = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip() + "/git-http-backend"
    port, = peers.free_ports(1)
    with open(run + "/conf", "w") as conf:
        conf.write(LIGHTTPD.format(run=run, port=port, backend=backend))
    libraries = ":".join(os.path.dirname(os.path.join(at, n)) for at, _, names in os.walk(root) for n in names if ".so." in n)
    modules = next(at for at, _, names in os.walk(root) if "mod_cgi.so" in names)
    with open(run + "/users", "w") as users:
        users.write("alice:password\n")
    with open(run + "/log", "w") as log:
        daemon = subprocess.Popen([root + "/usr/sbin/lighttpd", "-D", "-f", run + "/conf", "-m", modules], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, env=dict(os.environ, LD_LIBRARY_PATH=libraries))
    try:
        peers.wait_for(port)
        yield run + "/repos", f"https://localhost:{port}/git", run + "/cert.pem"
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(run, ignore_errors=True)


class Side:
    def __init__(self, name, folder, url, ca, user, password):
        self.name, self.folder, self.url = name, os.path.join(folder, name), url
        os.makedirs(self.folder)
        helper = os.path.join(self.folder, "helper")
        with open(helper, "w") as f:
            f.write(f"#!/bin/sh\n[ $1 = get ] && printf 'username={user}\\npassword={password}\\n'\n")
        os.chmod(helper, 0o700)
        self.env = {k: v for k, v in os.environ.items() if k not in ("GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "SSL_CERT_FILE")}
        self.env.update(GIT_SSL_CAINFO=ca, GIT_CONFIG_NOSYSTEM="1", HOME=self.folder, GIT_TERMINAL_PROMPT="0",
                        GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="credential.helper", GIT_CONFIG_VALUE_0=f"!'{helper}'")
        self.figures = {}

    def git(self, *words, cwd=None):
        done = subprocess.run(["git", *words], cwd=cwd or self.folder, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"git {' '.join(words)}: {done.stderr}")
        return done.stdout

    def timed(self, what, *words, cwd=None):
        start = time.monotonic()
        self.git(*words, cwd=cwd)
        self.figures.setdefault(what, []).append(time.monotonic() - start)

    def fresh(self, name):
        shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)
        return name

    def clone(self):
        self.timed("clone", "clone", "-q", "--bare", self.url, self.fresh("full"))
        self.timed("clone --depth 1", "clone", "-q", "--bare", "--depth", "1", self.url, self.fresh("shallow"))

    def fetch(self):
        """From where the clone `old` stands."""
        shutil.copytree(os.path.join(self.folder, "old"), os.path.join(self.folder, self.fresh("new")))
        self.timed("fetch of 1000 messages", "fetch", "-q", self.url, "refs/heads/*:refs/heads/*",
                   cwd=os.path.join(self.folder, "new"))
        self.timed("fetch of nothing", "fetch", "-q", self.url, "refs/heads/*:refs/heads/*",
                   cwd=os.path.join(self.folder, "new"))


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=86000)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    folder = tempfile.mkdtemp(prefix="allod-bench-")
    try:
        with peers.allod_unix() as server, http_backend() as (repos, base, cert):
            say(f"delivering {chosen.messages} messages")
            server.imap().command(b"CREATE Many")
            mail.fill(server, chosen.messages)
            ours = Side("allod", folder, server.git + "/alice.git", server.ca, server.user, server.password)
            bare = os.path.join(repos, "alice.git")
            ours.git("clone", "-q", "--bare", ours.url, bare)
            ours.git("gc", "-q", cwd=bare)
            theirs = Side("git http-backend", folder, base + "/alice.git", cert, "alice", "password")
            counts = ours.git("count-objects", "-v", cwd=bare)
            print("objects: " + next(line for line in counts.splitlines() if line.startswith("in-pack")).split()[1])
            sides = (ours, theirs)
            for n in range(chosen.rounds):
                say(f"clones, round {n + 1}/{chosen.rounds}")
                for side in sides[::1 if n % 2 == 0 else -1]:
                    side.clone()
            for side in sides:
                os.rename(os.path.join(side.folder, "full"), os.path.join(side.folder, "old"))
            mail.fill(server, 1000)
            ours.git("fetch", "-q", ours.url, "refs/heads/*:refs/heads/*", cwd=bare)
            for n in range(chosen.rounds):
                say(f"fetches, round {n + 1}/{chosen.rounds}")
                for side in sides[::1 if n % 2 == 0 else -1]:
                    side.fetch()
        print(f"{f'seconds, median of {chosen.rounds} rounds':28} {'allod':>9} {'http-backend':>13}   ratio (above 1: allod is better)")
        for what in ours.figures:
            mine, other = statistics.median(ours.figures[what]), statistics.median(theirs.figures[what])
            print(f"{what:28} {mine:9.2f} {other:13.2f} {other / mine:7.2f}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
