/* SPDX-License-Identifier: ISC */
#include "os/main.h"
#include "os/platform.h"
#include "services/control/control_impl.h"

struct facts {
	uint64_t memory_total, memory_free;
	struct os_net_stats net;
	struct store_stats store;
	os_time up;
};

static void gather(struct facts *f, struct control *c)
{
	plat_memory(&f->memory_total, &f->memory_free);
	os_net_stats(&f->net);
	store_stats(&f->store, c->cfg.store);
	f->up = os_now() - c->started;
}

void control_status(struct control *c, struct http_x *x, struct str rest)
{
	struct facts f;

	(void)rest;
	gather(&f, c);
	control_reply(x, 200,
		json_pack("{s:s%,s:s%,s:f,s:I,s:{s:I,s:I},s:{s:I,s:I,s:I},s:{s:I,s:I,s:I,s:I,s:b,s:"
			  "s?}}",
			"name", c->cfg.name.p, c->cfg.name.n, "version", c->cfg.version.p,
			c->cfg.version.n, "uptime_sec", (double)f.up / (double)OS_SEC, "fibers",
			(json_int_t)os_fiber_count(), "memory", "total_bytes",
			(json_int_t)f.memory_total, "free_bytes", (json_int_t)f.memory_free,
			"connections", "open", (json_int_t)f.net.connections, "accepted",
			(json_int_t)f.net.accepted, "refused", (json_int_t)f.net.refused, "store",
			"seq", (json_int_t)f.store.seq, "used_bytes",
			(json_int_t)f.store.used_bytes, "size_bytes",
			(json_int_t)f.store.size_bytes, "index_rebuilds",
			(json_int_t)f.store.index_rebuilds, "index_damaged", f.store.index_damaged,
			"read_only", f.store.read_only));
}

void control_metrics(struct control *c, struct http_x *x, struct str rest)
{
	struct facts *f = arena_alloc(&x->arena, sizeof(*f));
	struct buf b;

	(void)rest;
	if (!f) {
		control_fail(x, err_set(ERR_NOMEM, "control: out of memory"), NULL);
		return;
	}
	gather(f, c);
	const struct {
		const char *name, *type, *help;
		double value;
	} rows[] = {
		{ "uptime_seconds", "gauge", "Since the service started.",
			(double)f->up / (double)OS_SEC },
		{ "fibers", "gauge", "Fibers that exist.", os_fiber_count() },
		{ "memory_total_bytes", "gauge", "Memory of the machine.",
			(double)f->memory_total },
		{ "memory_free_bytes", "gauge", "Memory nobody uses.", (double)f->memory_free },
		{ "connections", "gauge", "Open TCP connections.", (double)f->net.connections },
		{ "connections_accepted_total", "counter", "TCP connections taken in.",
			(double)f->net.accepted },
		{ "connections_refused_total", "counter", "TCP connections over a limit.",
			(double)f->net.refused },
		{ "network_received_bytes_total", "counter", "TCP payload in.",
			(double)f->net.bytes_in },
		{ "network_sent_bytes_total", "counter", "TCP payload out.",
			(double)f->net.bytes_out },
		{ "store_seq", "counter", "Number of the last durable commit group.",
			(double)f->store.seq },
		{ "store_groups_total", "counter", "Commit groups since the start.",
			(double)f->store.groups },
		{ "store_edits_total", "counter", "Edits since the start.",
			(double)f->store.edits },
		{ "store_flushes_total", "counter", "Flushes of the disk since the start.",
			(double)f->store.flushes },
		{ "store_used_bytes", "gauge", "Bytes of the disk in use.",
			(double)f->store.used_bytes },
		{ "store_size_bytes", "gauge", "Bytes the store can hold.",
			(double)f->store.size_bytes },
		{ "store_read_only", "gauge", "1: nothing can be written any more.",
			f->store.read_only ? 1 : 0 },
		{ "store_map_faults_total", "counter", "Pages read on demand.",
			(double)f->store.map_faults },
		{ "store_map_evictions_total", "counter", "Pages given back.",
			(double)f->store.map_evictions },
	};
	buf_init(&b, &x->arena);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		buf_fmt(&b,
			"# HELP allod_%s %s\n# TYPE allod_%s %s\nallod_%s{service=\"%.*s\"} "
			"%.17g\n",
			rows[i].name, rows[i].help, rows[i].name, rows[i].type, rows[i].name,
			STR_ARG(c->cfg.name), rows[i].value);
	http_header(x, "Content-Type", STR("text/plain; version=0.0.4"));
	http_reply(x, 200, buf_str(&b));
}

/* The id as the service left it, when it is not the service that is asked. */
static int known_endpoint(
	char endpoint[static CONTROL_ENDPOINT], struct control *c, struct arena *a)
{
	struct str id;
	int err = store_local_get(&id, a, c->cfg.store, STR("endpoint"));

	if (err == 0 && id.n < CONTROL_ENDPOINT)
		snprintf(endpoint, CONTROL_ENDPOINT, "%.*s", STR_ARG(id));
	return err == ERR_NOENT ? 0 : err;
}

void control_snapshot(struct control *c, struct http_x *x, struct str rest)
{
	char endpoint[CONTROL_ENDPOINT] = "";
	json_t *warning = NULL;
	size_t written = 0;
	int err = ERR_NOENT;

	(void)rest;
	if (c->cfg.snapshot)
		err = c->cfg.snapshot(endpoint, &written, c->cfg.snapshot_ctx);
	if (err < 0) {
		if (c->cfg.snapshot) /* a disk that can't be written any more can still be read */
			warning = control_text(str_of(err_text(err)));
		err = known_endpoint(endpoint, c, &x->arena);
	}
	if (err < 0) {
		json_decref(warning);
		control_fail(x, err, NULL);
		return;
	}
	control_reply(x, 200,
		json_pack("{s:s,s:I,s:o*}", "endpoint", endpoint, "written", (json_int_t)written,
			"warning", warning));
}

void control_powerdown(struct control *c, struct http_x *x, struct str rest)
{
	(void)c;
	(void)rest;
	control_reply(x, 202, json_pack("{s:b}", "ok", 1));
	os_stop();
}
