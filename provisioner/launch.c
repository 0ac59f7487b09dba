/* SPDX-License-Identifier: ISC */
#include "provisioner/launch.h"

/* QEMU's user network gives the guest this place; DHCP would only say the same, later. */
#define GUEST_NET "ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3"

void prov_arg(struct prov_argv *out, const char *fmt, ...)
{
	struct buf b;
	char text[512];
	va_list ap;
	int n;

	if (out->n == PROV_ARGV_MAX) {
		out->err = err_set(ERR_LIMIT, "the command line has over %d words", PROV_ARGV_MAX);
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_init(&b, out->a);
	buf_add(&b, str_n(text, n < 0 ? 0 : (size_t)n));
	if (n < 0 || (size_t)n >= sizeof(text) || b.err < 0) {
		out->err = err_set(ERR_LIMIT, "a word of the command line is too long");
		return;
	}
	out->v[out->n++] = b.p;
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

static void add_net(struct prov_argv *out, const struct prov_service *s)
{
	char text[OS_ADDR_TEXT];
	struct buf b;

	buf_init(&b, out->a);
	buf_addz(&b, "user,id=n0,ipv6=off,restrict=on");
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

int prov_launch_virt(struct prov_argv *out, struct arena *a, const struct prov_image *i,
	const struct prov_service *s, const char *accel, int qmp_fd)
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
		add_net(out, s);
	add_pair(out, "-append", GUEST_NET);
	add_pair(out, "-kernel", i->path);
	return out->err;
}

int prov_launch_unix(struct prov_argv *out, struct arena *a, const struct prov_image *i,
	const struct prov_service *s)
{
	char text[OS_ADDR_TEXT];

	*out = (struct prov_argv){ .a = a };
	prov_arg(out, "%s", i->path);
	if (i->manifest.disks)
		prov_arg(out, "disk0=%s", s->disk);
	for (size_t j = 0; j < s->listen_count; j++)
		prov_arg(out, "listen.%d=%s", s->listen[j].guest,
			os_addr_text(text, &s->listen[j].host));
	return out->err;
}
