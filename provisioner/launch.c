/* SPDX-License-Identifier: ISC */
#include "provisioner/launch.h"
#include "os/crypto.h"
#include "provisioner/home.h"

/* QEMU's user network gives the guest this place; DHCP would only say the same, later. */
#define GUEST_NET "ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3"

#define WORD_MAX 8192
#define CA_MAX   2000 /* a guest's command line has 4 KiB */

void prov_arg(struct prov_argv *out, const char *fmt, ...)
{
	va_list ap;
	char *word;
	int n;

	if (out->n == PROV_ARGV_MAX) {
		out->err = err_set(ERR_LIMIT, "the command line has over %d words", PROV_ARGV_MAX);
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	word = n < 0 || n > WORD_MAX ? NULL : arena_alloc(out->a, (size_t)n + 1);
	if (!word) {
		out->err = err_set(ERR_LIMIT, "a word of the command line is too long");
		return;
	}
	va_start(ap, fmt);
	vsnprintf(word, (size_t)n + 1, fmt, ap);
	va_end(ap);
	out->v[out->n++] = word;
	out->v[out->n] = NULL;
}

/* In QEMU's option lists a comma in a value is written twice. */
static const char *doubled_commas(struct prov_argv *out, const char *path)
{
	struct buf b;

	buf_init(&b, out->a);
	for (; *path; path++) {
		buf_addc(&b, *path);
		if (*path == ',')
			buf_addc(&b, ',');
	}
	if (b.err < 0)
		out->err = b.err;
	return b.err < 0 ? "" : b.p;
}

static void add_pair(struct prov_argv *out, const char *option, const char *value)
{
	prov_arg(out, "%s", option);
	prov_arg(out, "%s", value);
}

/* What the guest calls it; false: it has no way there. */
static bool seen_by_guest(struct os_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t loopback[4] = { 127, 0, 0, 1 }, host[4] = { 10, 0, 2, 2 };

	if (memcmp(a->ip, mapped, sizeof(mapped)) != 0)
		return false;
	if (a->ip[12] != 127)
		return true;
	if (memcmp(a->ip + 12, loopback, sizeof(loopback)) != 0)
		return false;
	memcpy(a->ip + 12, host, sizeof(host)); /* as the gateway, GUEST_NET */
	return true;
}

int prov_behind_find(struct prov_behind *out, struct prov *p, const struct prov_estate *e,
	const struct prov_service *s)
{
	const struct prov_listen *l = NULL;
	struct str pem;
	struct buf b;
	int err;

	*out = (struct prov_behind){ 0 };
	for (size_t i = 0; str_eq(s->name, STR("calendar")) && i < e->service_count; i++)
		if (str_eq(e->services[i].name, STR("contacts")))
			l = prov_listen_find(&e->services[i], "https");
	if (!l)
		return 0;
	out->at = prov_listen_reach(l);
	if (s->target == PROV_VIRT && !seen_by_guest(&out->at)) {
		out->at.port = 0;
		return 0;
	}
	err = prov_file_read(&pem, &p->arena, prov_path(p, "ca.pem"), CA_MAX);
	if (err < 0)
		return err;
	buf_init(&b, &p->arena);
	os_base64(&b, pem);
	out->ca = buf_str(&b);
	return b.err;
}

static void add_net(
	struct prov_argv *out, const struct prov_service *s, const struct prov_behind *behind)
{
	char text[OS_ADDR_TEXT];
	struct buf b;

	buf_init(&b, out->a);
	/* Connections to the outside only where the service makes some. */
	buf_fmt(&b, "user,id=n0,ipv6=off%s", behind->at.port ? "" : ",restrict=on");
	for (size_t i = 0; i < s->listen_count; i++) {
		const struct prov_listen *l = &s->listen[i];

		os_addr_ip(text, &l->host);
		buf_fmt(&b,
			strchr(text, ':') ? ",hostfwd=tcp:[%s]:%d-:%d" : ",hostfwd=tcp:%s:%d-:%d",
			text, l->host.port, l->guest);
	}
	if (b.err < 0)
		out->err = b.err;
	else
		add_pair(out, "-netdev", b.p);
	add_pair(out, "-device", "virtio-net-device,netdev=n0");
}

static void add_boot_args(
	struct prov_argv *out, const struct prov_service *s, const struct prov_behind *behind)
{
	char text[OS_ADDR_TEXT];
	struct buf b;

	buf_init(&b, out->a);
	buf_addz(&b, GUEST_NET);
	if (behind->at.port)
		buf_fmt(&b, " behind=%s behind.ca=%.*s", os_addr_text(text, &behind->at),
			STR_ARG(behind->ca));
	for (size_t i = 0; i < s->options.n; i++)
		buf_fmt(&b, " %.*s=%.*s", STR_ARG(s->options.v[i].key),
			STR_ARG(s->options.v[i].value));
	if (b.err < 0)
		out->err = b.err;
	else
		add_pair(out, "-append", b.p);
}

int prov_launch_virt(struct prov_argv *out, struct arena *a, const struct prov_image *i,
	const struct prov_service *s, const struct prov_behind *behind, const char *accel,
	int qmp_fd)
{
	uint64_t memory = s->memory_mb ? s->memory_mb : i->manifest.memory_mb;

	*out = (struct prov_argv){ .a = a };
	add_pair(out, PROV_QEMU, "-nodefaults");
	add_pair(out, "-no-user-config", "-no-reboot");
	prov_arg(out, "-S"); /* runs once its machine protocol does: no event is lost */
	prov_arg(out, "-name");
	prov_arg(out, "%.*s", STR_ARG(s->name));
	add_pair(out, "-M", "microvm,rtc=on");
	add_pair(out, "-accel", accel);
	add_pair(out, "-cpu", strcmp(accel, "kvm") == 0 ? "host" : "max");
	prov_arg(out, "-m");
	prov_arg(out, "%llu", (unsigned long long)memory);
	add_pair(out, "-display", "none");
	add_pair(out, "-serial", "stdio");
	add_pair(out, "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	prov_arg(out, "-chardev");
	prov_arg(out, "socket,id=qmp,fd=%d", qmp_fd);
	add_pair(out, "-mon", "chardev=qmp,mode=control");
	add_pair(out, "-global", "virtio-mmio.force-legacy=false");
	add_pair(out, "-device", "virtio-rng-device");
	add_pair(out, "-device", "isa-debug-exit,iobase=0x501,iosize=4");
	if (i->manifest.disks) {
		prov_arg(out, "-drive");
		prov_arg(out, "if=none,id=d0,format=raw,file=%s", doubled_commas(out, s->disk));
		add_pair(out, "-device", "virtio-blk-device,drive=d0");
	}
	if (i->manifest.nics)
		add_net(out, s, behind);
	add_boot_args(out, s, behind);
	add_pair(out, "-kernel", i->path);
	return out->err;
}

int prov_launch_unix(struct prov_argv *out, struct arena *a, const struct prov_image *i,
	const struct prov_service *s, const struct prov_behind *behind)
{
	char text[OS_ADDR_TEXT];

	*out = (struct prov_argv){ .a = a };
	prov_arg(out, "%s", i->path);
	if (behind->at.port) {
		prov_arg(out, "behind=%s", os_addr_text(text, &behind->at));
		prov_arg(out, "behind.ca=%.*s", STR_ARG(behind->ca));
	}
	if (i->manifest.disks)
		prov_arg(out, "disk0=%s", s->disk);
	for (size_t j = 0; j < s->options.n; j++)
		prov_arg(out, "%.*s=%.*s", STR_ARG(s->options.v[j].key),
			STR_ARG(s->options.v[j].value));
	for (size_t j = 0; j < s->listen_count; j++)
		prov_arg(out, "listen.%d=%s", s->listen[j].guest,
			os_addr_text(text, &s->listen[j].host));
	return out->err;
}
