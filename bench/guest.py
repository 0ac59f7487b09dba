# SPDX-License-Identifier: ISC
"""A Linux guest that does the mail appliance's job with nothing it does not need: Debian's cloud kernel, an initrd with
a busybox shell for /init, OpenSMTPD delivering to a Maildir and Dovecot reading it over TLS, mail and queue on ext4 on
a virtio disk. Everything comes from Debian packages unpacked privately.

    guest = build(folder); guest.kernel, guest.initrd, guest.disk, guest.configuration
"""
import glob
import os
import re
import shutil
import stat
import subprocess

import peers

MODULES = ("virtio_ring", "virtio", "failover", "net_failover", "virtio_mmio", "virtio_pci_legacy_dev",
           "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "virtio_net")  # in the order they load

INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
for m in {modules}; do insmod /mod/$m.ko; done
n=0; while [ ! -e /dev/vda ] && [ $n -lt 200 ]; do n=$((n+1)); usleep 20000; done
mount -t ext4 -o noatime /dev/vda /data
chown root /data /data/spool; chmod 711 /data/spool; chown 1000:1000 /data/alice
mkdir -p /data/spool/offline /data/spool/purge /data/spool/queue /data/spool/temporary /data/spool/incoming /data/spool/corrupt
chmod 700 /data/spool/*; chown opensmtpq /data/spool/*; chown root:opensmtpq /data/spool/offline; chmod 770 /data/spool/offline
chown opensmtpq /data/spool/purge /data/spool/queue /data/spool/corrupt; chown root /data/spool/temporary
ip addr add 127.0.0.1/8 dev lo; ip link set lo up
ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
/usr/sbin/dovecot -F -c /etc/dovecot.conf &
while :; do /usr/sbin/smtpd -d -f /etc/smtpd.conf; usleep 20000; done  # as an init would: its first start fails at times
"""

SMTPD = """pki mail cert "/etc/ssl/cert.pem"
pki mail key "/etc/ssl/key.pem"
listen on eth0 port 25 tls pki mail hostname mail.example.org
action "local" maildir "/data/alice/Maildir"
match from any for domain "example.org" action "local"
"""

DOVECOT = """base_dir = /run/dovecot
state_dir = /run/dovecot
log_path = /dev/stderr
protocols = imap
ssl = required
ssl_cert = </etc/ssl/cert.pem
ssl_key = </etc/ssl/key.pem
mail_location = maildir:/data/alice/Maildir
mail_fsync = always
first_valid_uid = 1000
auth_mechanisms = plain login
passdb {
  driver = static
  args = password=bench
}
userdb {
  driver = static
  args = uid=1000 gid=1000 home=/data/alice
}
service imap-login {
  inet_listener imap {
    port = 143
  }
}
"""

USERS = (("root", 0, "/"), ("alice", 1000, "/data/alice"), ("opensmtpd", 101, "/var/lib/opensmtpd/empty"),
         ("opensmtpq", 102, "/var/lib/opensmtpd/empty"), ("dovecot", 103, "/nonexistent"), ("dovenull", 104, "/nonexistent"),
         ("nobody", 65534, "/nonexistent"))


class Guest:
    def __init__(self, kernel, initrd, disk, configuration):
        self.kernel, self.initrd, self.disk, self.configuration = kernel, initrd, disk, configuration


def version(package):
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, text=True, check=True).stdout
    return re.search(r"^Version: (?:\d+:)?(\S+)", shown, re.M).group(1)


def kernel_package():
    shown = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=True)
    return re.search(r"Depends: (linux-image-\S+)", shown.stdout).group(1)


def write(root, path, text, mode=0o644):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w") as f:
        f.write(text)
    os.chmod(full, mode)


class Tree:
    """Programs out of unpacked packages, with the libraries they load, put at their compiled-in places."""

    def __init__(self, root, package_roots):
        self.root, self.packages = root, package_roots
        self.env = dict(os.environ, LD_LIBRARY_PATH=":".join(
            p for r in package_roots for p in (
                r + "/usr/lib/x86_64-linux-gnu", r + "/usr/lib/dovecot", r + "/usr/lib/dovecot/modules/old-stats")))

    def put(self, source, place):
        full = self.root + place
        os.makedirs(os.path.dirname(full), exist_ok=True)
        shutil.copy(source, full)
        os.chmod(full, 0o755)

    def program(self, place):
        source = next(p for p in (r + place for r in self.packages) if os.path.exists(p))
        self.put(source, place)
        listing = subprocess.run(["ldd", source], env=self.env, capture_output=True, text=True, check=True).stdout
        for line in listing.splitlines():
            found = re.search(r"(?:(\S+) => )?(/\S+) \(0x", line)
            if "not found" in line:
                raise RuntimeError(f"{place}: {line.strip()}")
            if not found:
                continue
            name = found.group(1) or found.group(2)
            self.put(found.group(2), "/lib64/" + os.path.basename(name))


def cpio(root, out):
    """The newc archive of a folder, all owned by root, with the two devices init needs before devtmpfs."""
    def entry(name, mode, data=b"", rdev=(0, 0)):
        entry.ino += 1
        head = b"070701" + b"".join(b"%08X" % n for n in (
            entry.ino, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(name) + 1, 0))
        out.write(head + name.encode() + b"\0" + b"\0" * (-(len(head) + len(name) + 1) % 4))
        out.write(data + b"\0" * (-len(data) % 4))

    entry.ino = 0
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            full = os.path.join(folder, name)
            mode = os.lstat(full).st_mode
            data = b""
            if stat.S_ISLNK(mode):
                data = os.readlink(full).encode()
            elif stat.S_ISREG(mode):
                with open(full, "rb") as f:
                    data = f.read()
            entry(os.path.relpath(full, root), mode, data)
    entry("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    entry("dev/null", stat.S_IFCHR | 0o666, rdev=(1, 3))
    entry("TRAILER!!!", 0)


def build(folder):
    linux = kernel_package()
    kernel_root, busybox = peers.unpacked(linux, libraries=False), peers.unpacked("busybox-static", libraries=False)
    smtpd, imapd = peers.unpacked("opensmtpd"), peers.unpacked("dovecot-core", "dovecot-imapd", "dovecot-lmtpd")
    root = folder + "/root"
    for empty in ("dev", "proc", "sys", "tmp", "run", "data", "mod", "bin", "var/lib/opensmtpd/empty", "var/spool",
                  "usr/lib"):
        os.makedirs(os.path.join(root, empty), exist_ok=True)
    for link, to in (("var/run", "/run"), ("lib", "/lib64"), ("var/spool/smtpd", "/data/spool")):
        os.symlink(to, os.path.join(root, link))
    tree = Tree(root, (smtpd, imapd))
    tree.put(busybox + "/bin/busybox", "/bin/busybox")
    for name in ("sh", "mount", "insmod", "ip", "mkdir", "chmod", "chown", "usleep"):
        os.symlink("busybox", f"{root}/bin/{name}")
    for name in MODULES:
        tree.put(glob.glob(f"{kernel_root}/**/{name}.ko", recursive=True)[0], f"/mod/{name}.ko")
    for place in ("/usr/sbin/smtpd", "/usr/sbin/smtpctl", "/usr/libexec/opensmtpd/mail.maildir", "/usr/sbin/dovecot",
                  "/usr/lib/dovecot/modules/libssl_iostream_openssl.so", "/usr/bin/doveconf",
                  *("/usr/lib/dovecot/" + p for p in ("anvil", "auth", "config", "log", "imap", "imap-login", "stats"))):
        tree.program(place)
    for unused in os.listdir(imapd + "/usr/lib/dovecot"):  # it starts only if its idle services' programs are there
        if "." not in unused and not os.path.exists(f"{root}/usr/lib/dovecot/{unused}"):
            os.symlink("/bin/busybox", f"{root}/usr/lib/dovecot/{unused}")
    write(root, "init", INIT.format(modules=" ".join(MODULES)), 0o755)
    write(root, "etc/smtpd.conf", SMTPD)
    write(root, "etc/dovecot.conf", DOVECOT)
    write(root, "etc/mailname", "mail.example.org\n")
    write(root, "etc/hosts", "127.0.0.1 localhost mail\n")
    write(root, "etc/passwd", "".join(f"{n}:x:{i}:{i}::{home}:/bin/sh\n" for n, i, home in USERS))
    write(root, "etc/group", "".join(f"{n}:x:{i}:\n" for n, i, _ in USERS))
    os.makedirs(root + "/etc/ssl", exist_ok=True)
    peers.certificate(root + "/etc/ssl/cert.pem", root + "/etc/ssl/key.pem")
    with open(folder + "/initrd", "wb") as out:
        cpio(root, out)
    subprocess.run(["lz4", "-q", "-l", "-9", "-f", folder + "/initrd", folder + "/initrd.lz4"], check=True)
    os.makedirs(folder + "/data/alice")
    os.makedirs(folder + "/data/spool")
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", folder + "/data", folder + "/disk", "1G"], check=True,
                   stdout=subprocess.DEVNULL)
    return Guest(glob.glob(kernel_root + "/boot/vmlinuz-*")[0], folder + "/initrd.lz4", folder + "/disk",
                 f"{linux} (Debian's cloud kernel {version(linux)}), initrd of busybox {version('busybox-static')}, OpenSMTPD "
                 f"{version('opensmtpd')} delivering to Maildir, Dovecot {version('dovecot-core')} with TLS and "
                 "mail_fsync=always, ext4 on a virtio disk")
