/* SPDX-License-Identifier: ISC */
#include "os/time.h"
#include "os/tls_ca.h"
#include "provisioner/accel.h"
#include "provisioner/home.h"
#include "provisioner/image.h"
#include "provisioner/ports.h"
#include "provisioner/say.h"
#include "provisioner/supervisor.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPACE_LEAST (UINT64_C(1) << 30)
#define DAYS_LEAST  14

enum { OPT_JSON };
static const struct prov_opt opts[] = { [OPT_JSON] = PROV_OPT_JSON, { 0 } };

struct doctor {
	struct prov *p;
	struct prov_estate *e;
	json_t *status; /* NULL: no supervisor */
	json_t *findings;
	unsigned bad;
};

enum mark { GOOD, NOTE, BAD };

/* One finding; the remedy may be NULL. */
static void PRINTF(4, 5)
	find(struct doctor *d, enum mark mark, const char *remedy, const char *fmt, ...)
{
	static const char *const words[] = { [GOOD] = "ok", [NOTE] = "note", [BAD] = "bad" };
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->bad += mark == BAD;
	json_array_append_new(d->findings,
		json_pack("{s:s,s:s,s:s?}", "result", words[mark], "what", text, "remedy", remedy));
}

static void check_virtualisation(struct doctor *d)
{
	const char *accel, *why;
	int err = prov_accel_probe(&accel, &why, d->p, true);

	if (err == ERR_NOENT)
		find(d, BAD, "install it (Debian: qemu-system-x86)", "%s", err_text(err));
	else if (err < 0)
		find(d, BAD, NULL, "acceleration could not be probed: %s", err_text(err));
	else if (*why)
		find(d, NOTE, "give this user /dev/kvm (group kvm), or live with emulation",
			"virtualisation is not usable: %s; services are emulated", why);
	else
		find(d, GOOD, NULL, "virtualisation works");
	if (err == 0 && *why) {
		err = prov_accel_try(d->p, "tcg", 10 * OS_SEC);
		if (err < 0)
			find(d, BAD, "reinstall QEMU", "emulation does not work either: %s",
				err_text(err));
	}
}

static void check_image(struct doctor *d, const struct prov_service *s)
{
	struct prov_image image;
	int err = prov_mkdirs(prov_path(d->p, "images"));

	if (err == 0)
		err = prov_image_take(&image, d->p, s);
	if (err < 0)
		find(d, BAD, "`make build` makes images; $ALLOD_IMAGES names their folder",
			"%.*s: %s", STR_ARG(s->name), err_text(err));
	else
		find(d, GOOD, NULL, "%.*s: image %.*s %.*s for %s, %d MiB of memory",
			STR_ARG(s->name), STR_ARG(image.manifest.name),
			STR_ARG(image.manifest.version), prov_target_name[s->target],
			(int)image.manifest.memory_mb);
}

static void check_service(struct doctor *d, const struct prov_service *s)
{
	const char *why, *state = prov_state_in(d->status, s->name, &why);
	struct stat st;
	char size[16];
	int err;

	check_image(d, s);
	if (stat(s->disk, &st) < 0)
		find(d, BAD, "restore it from a backup; without it the service has no data",
			"%.*s: its disk %s is missing", STR_ARG(s->name), s->disk);
	else
		find(d, GOOD, NULL, "%.*s: its disk takes %s", STR_ARG(s->name),
			prov_size(size, (uint64_t)st.st_blocks * 512));
	if (strcmp(state, "stopped") != 0) {
		find(d, strcmp(state, "failed") == 0 || strcmp(state, "crashed") == 0 ? BAD : GOOD,
			NULL, "%.*s: %s%s%s", STR_ARG(s->name), state, *why ? ": " : "", why);
		return;
	}
	err = prov_ports_check(&d->p->arena, s);
	if (err < 0)
		find(d, BAD, "stop what uses it, or change the port in allod.conf", "%.*s: %s",
			STR_ARG(s->name), err_text(err));
	else
		find(d, GOOD, NULL, "%.*s: stopped; its ports are free", STR_ARG(s->name));
}

static void check_certificate(struct doctor *d, const char *file, const char *what)
{
	struct str pem;
	int64_t end, days;
	int err = prov_file_read(&pem, &d->p->arena, file, 65536);

	if (err == 0)
		err = os_cert_expiry(&end, pem);
	if (err < 0) {
		find(d, BAD, "restore the file from a backup", "%s: %s", what, err_text(err));
		return;
	}
	days = (end - os_wall_sec()) / (24 * 3600);
	find(d, days < DAYS_LEAST ? BAD : GOOD,
		days < DAYS_LEAST ? "`allod restart` renews it" : NULL, "%s ends in %lld days",
		what, (long long)days);
}

static void check_home(struct doctor *d)
{
	struct statvfs fs;
	struct stat st;
	char size[16];

	if (statvfs(d->p->home, &fs) == 0) {
		uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;

		find(d, space < SPACE_LEAST ? BAD : GOOD,
			space < SPACE_LEAST ? "make room where the estate is kept" : NULL,
			"%s free for %s", prov_size(size, space), d->p->home);
	}
	if (stat(prov_path(d->p, "keys/ca.key"), &st) == 0 && (st.st_mode & 077))
		find(d, BAD, "chmod 600 it", "others may read %s", prov_path(d->p, "keys/ca.key"));
	if (stat(prov_path(d->p, "allod.conf"), &st) == 0 && st.st_mtime > os_wall_sec() + 60)
		find(d, BAD, "set the clock; certificates and mail dates depend on it",
			"the clock is behind: allod.conf was written in the future");
	else
		find(d, GOOD, NULL, "the clock is plausible");
}

static int print(struct doctor *d, bool json)
{
	json_t *one, *all;
	size_t i;

	if (json) {
		all = json_pack("{s:b,s:O}", "ok", d->bad == 0, "findings", d->findings);
		char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;

		puts(text ? text : "");
		free(text);
		json_decref(all);
		return d->bad ? PROV_FAILED : PROV_OK;
	}
	json_array_foreach(d->findings, i, one)
	{
		const char *remedy = json_string_value(json_object_get(one, "remedy"));

		printf("%-5s %s\n", json_string_value(json_object_get(one, "result")),
			json_string_value(json_object_get(one, "what")));
		if (remedy)
			printf("      -> %s\n", remedy);
	}
	return d->bad ? prov_fail(NULL, "%u findings need you", d->bad) : PROV_OK;
}

static int run(struct prov *p, const struct prov_args *a)
{
	struct doctor d = {
		.p = p, .e = ARENA_NEW(&p->arena, struct prov_estate), .findings = json_array()
	};
	int code;

	os_assert(d.e && d.findings);
	code = prov_estate_need(d.e, p);
	if (code == PROV_OK) {
		if (prov_ask(&d.status, p, "status") < 0)
			d.status = NULL;
		check_home(&d);
		check_virtualisation(&d);
		check_certificate(&d, prov_path(p, "ca.pem"), "the authority");
		for (size_t i = 0; i < d.e->service_count; i++) {
			const struct prov_service *s = &d.e->services[i];

			check_service(&d, s);
			check_certificate(&d, prov_path(p, "keys/%.*s.pem", STR_ARG(s->name)),
				"the service's certificate");
		}
		code = print(&d, a->opt[OPT_JSON]);
	}
	json_decref(d.status);
	json_decref(d.findings);
	return code;
}

const struct prov_verb verb_doctor = { "doctor", "", "what is wrong, and the remedy",
	"Probes virtualisation anew, looks at images, ports, disks, certificates, room and clock.",
	opts, 0, 0, run };
