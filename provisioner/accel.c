/* SPDX-License-Identifier: ISC */
#include "provisioner/accel.h"
#include "os/time.h"
#include "provisioner/home.h"
#include "provisioner/launch.h"
#include "provisioner/process.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

/* accel_guest.S */
extern const char prov_probe_guest[], prov_probe_guest_end[];
#define GUEST_SAYS 42

const char *prov_accel_known(struct prov *p)
{
	struct str s;

	if (prov_file_read(&s, &p->arena, prov_path(p, "accel"), 64) < 0)
		return "tcg";
	return str_eq(str_trim(s), STR("kvm")) ? "kvm" : "tcg";
}

int prov_accel_try(struct prov *p, const char *accel, int64_t patience_ns)
{
	const char *image = prov_path(p, "run/probe.elf");
	const char *argv[] = { PROV_QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-M",
		"microvm", "-accel", accel, "-cpu", strcmp(accel, "kvm") == 0 ? "host" : "max",
		"-m", "8", "-display", "none", "-device", "isa-debug-exit,iobase=0x501,iosize=4",
		"-kernel", image, NULL };
	struct prov_process c;
	struct pollfd end = { .events = POLLIN };
	bool timely;
	int err, status;

	err = prov_mkdirs(prov_path(p, "run"));
	if (err == 0)
		err = prov_file_write(p, image,
			str_n(prov_probe_guest, (size_t)(prov_probe_guest_end - prov_probe_guest)),
			0600);
	if (err == 0)
		err = prov_spawn(&c, argv, false);
	if (err < 0)
		return err;
	end.fd = c.pidfd;
	timely = poll(&end, 1, (int)(patience_ns / OS_MS)) > 0;
	if (!timely)
		prov_process_kill(&c);
	status = prov_process_reap(&c);
	close(c.out);
	unlink(image);
	if (!timely)
		return err_set(ERR_TIMEOUT, "a guest did not report in time under %s", accel);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != GUEST_SAYS * 2 + 1)
		return err_set(ERR_IO, "a guest could not run under %s", accel);
	return 0;
}

int prov_accel_probe(const char **out, const char **why, struct prov *p, bool anew)
{
	int err = 0;

	*why = "";
	*out = prov_accel_known(p);
	if (!anew && prov_file_exists(prov_path(p, "accel")))
		return 0;
	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		*why = errno == ENOENT ? "there is no /dev/kvm" : "this user may not open /dev/kvm";
	} else {
		err = prov_accel_try(p, "kvm", PROV_ACCEL_NS);
		if (err == ERR_NOENT)
			return err_set(ERR_NOENT, "%s is not installed", PROV_QEMU);
		if (err < 0)
			*why = arena_fmt(&p->arena, "%s", err_text(err)).p;
	}
	*out = **why ? "tcg" : "kvm";
	return prov_file_write(p, prov_path(p, "accel"), str_of(*out), 0600);
}
