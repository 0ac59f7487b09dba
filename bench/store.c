/* SPDX-License-Identifier: ISC */
/*
 * usage: store WHAT DISK ...        one measurement of the store, run by store.py; prints "NAME VALUE"
 *
 *	format DISK BYTES
 *	fill DISK COUNT               so many deliveries, a hundred in a commit
 *	alone DISK SECONDS            deliveries, a durable commit each
 *	grouped DISK SECONDS          from a hundred fibers, sharing syncs
 *	flags DISK SECONDS            flag changes, a durable commit each
 *	open DISK
 *	clone DISK [PACK]             everything as a pack: to nowhere, or a file
 *	receive DISK PACK
 *
 * A delivery is what it is for mail: the message in the radix tree, its line in a leaf of flags, its
 * UID and the next as local records, a derived row.
 */
#include "bench/rows.h"
#include "os/log.h"
#include "os/main.h"
#include "store/exchange.h"
#include "store/keep.h"

#include <stdio.h>
#include <stdlib.h>

#pragma weak store_receive_begin /* until it is there */
#pragma weak store_receive_write
#pragma weak store_receive_finish
#pragma weak store_receive_check
#pragma weak store_receive_end

#define BRANCH STR("refs/heads/alice")

struct task {
	int argc;
	char **argv;
	struct store *s;
	struct os_disk *disk;
	uint32_t seq; /* the next message */
	double until;
	uint64_t count;
	unsigned running;
	struct os_waitq idle;
};

static void die(int err, const char *what)
{
	fprintf(stderr, "store: %s: %s\n", what, err_text(err));
	exit(1);
}
#define DO(call) \
	do { \
		int do_ = (call); \
		if (do_ < 0) \
			die(do_, #call); \
	} while (0)

/* ---- counting what goes to the disk ---- */
static const struct os_disk_ops *disk_ops;
static uint64_t written, writes, flushes;

static int count_write(struct os_disk *d, uint64_t offset, const void *p, size_t n)
{
	written += n;
	writes++;
	return disk_ops->write(d, offset, p, n);
}

static int count_flush(struct os_disk *d)
{
	flushes++;
	return getenv("BENCH_NO_SYNC") ? 0
				       : disk_ops->flush(d); /* where only bytes are of interest */
}

static void count_ops(struct os_disk *d)
{
	static struct os_disk_ops ops;

	disk_ops = d->ops;
	ops = *d->ops;
	ops.write = count_write;
	ops.flush = count_flush;
	d->ops = &ops;
}

/* ---- rows ---- */
static int row_of(struct store_derive *d, struct str line, bool there)
{
	struct str key = str_sub(line, 0, 8);

	return there ? store_derive_row_put(d, key, line) : store_derive_row_del(d, key);
}

static int leaf(struct store_derive *d, const struct store_change *c)
{
	struct arena a;
	struct str old = STR(""), text = STR(""), line;
	int err = 0;

	arena_init(&a, 65536);
	if (c->before)
		err = store_blob_all(&old, &a, store_derive_store(d), c->before, 4096);
	if (err >= 0 && c->after)
		err = store_blob_all(&text, &a, store_derive_store(d), c->after, 4096);
	while (err >= 0 && str_cut(&line, &text, text, '\n'))
		if (str_find(old, line) < 0)
			err = row_of(d, line, true);
	arena_free(&a);
	return err;
}

static int derive_one(void *ctx, const struct store_change *c)
{
	return str_starts(c->path, STR("INBOX/.f/")) ? leaf(ctx, c) : 0;
}

static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	(void)ctx;
	(void)ref;
	return store_diff(
		store_derive_store(d), old_tree, new_tree, STR("INBOX/.f"), derive_one, d);
}
static const struct store_driver driver = { .name = "bench", .version = 1, .derive = derive };

/* ---- deliveries and flags ---- */
struct paths {
	char message[80], leaf[80];
};

static void paths_of(struct paths *p, uint32_t seq)
{
	snprintf(p->leaf, sizeof(p->leaf), "INBOX/.f/00000001/%x/%o/%o/%o/%o/%o",
		(unsigned)seq >> 19, (unsigned)seq >> 16 & 7, (unsigned)seq >> 13 & 7,
		(unsigned)seq >> 10 & 7, (unsigned)seq >> 7 & 7, (unsigned)seq >> 4 & 7);
	snprintf(p->message, sizeof(p->message), "INBOX/.m%s/%08x", p->leaf + 8, (unsigned)seq);
}

static void put_line(struct store_edit *e, struct arena *a, uint32_t seq, const char *flags)
{
	struct paths p;
	struct str old = STR(""), line, rest;
	struct buf b;
	char id[9];
	int err;

	paths_of(&p, seq);
	snprintf(id, sizeof(id), "%08x", (unsigned)seq);
	err = store_edit_bytes(&old, a, e, str_of(p.leaf), 4096);
	if (err < 0 && err != ERR_NOENT)
		die(err, "leaf");
	buf_init(&b, a);
	for (rest = old; str_cut(&line, &rest, rest, '\n');)
		if (!str_starts(line, str_of(id)))
			buf_fmt(&b, "%.*s\n", STR_ARG(line));
	buf_fmt(&b, "%s 1700000000 1700000000 %s\n", id, flags);
	DO(store_edit_put_bytes(e, str_of(p.leaf), buf_str(&b)));
}

static void put_local(struct store_edit *e, const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", (unsigned)value);
	DO(store_edit_local_put(e, str_of(key), str_of(text)));
}

static void deliver(struct store_edit *e, struct arena *a, uint32_t seq)
{
	static char body[MESSAGE_BYTES];
	char key[16];
	struct paths p;

	rows_message(body, seq);
	paths_of(&p, seq);
	DO(store_edit_put_bytes(e, str_of(p.message), str_n(body, sizeof(body))));
	put_line(e, a, seq, "-");
	snprintf(key, sizeof(key), "u%08x", (unsigned)seq);
	put_local(e, key, seq);
	put_local(e, "uidnext", seq + 1);
	arena_reset(a);
}

static void commit(struct store_edit *e)
{
	struct store_why why = { STR("alice"), STR("alice@example.org"), STR("smtp: deliver"),
		1700000000 };

	DO(store_edit_commit(NULL, e, &why));
}

static void deliveries(void *p) /* a fiber */
{
	struct task *t = p;
	struct arena a;

	arena_init(&a, 65536);
	while (rows_now() < t->until) {
		struct store_edit *e;
		DO(store_edit_begin(&e, t->s, BRANCH, OS_FOREVER));
		deliver(e, &a, t->seq++);
		commit(e);
		t->count++;
	}
	arena_free(&a);
	if (--t->running == 0)
		os_wake_all(&t->idle);
}

static void flags(struct task *t, uint32_t among)
{
	static const char *const words[] = { "S", "FS", "RS", "FRS" };
	struct arena a;

	arena_init(&a, 65536);
	for (; rows_now() < t->until; t->count++) {
		struct store_edit *e;
		DO(store_edit_begin(&e, t->s, BRANCH, OS_FOREVER));
		put_line(e, &a, 1 + (uint32_t)(t->count * 7919u % (among - 1)),
			words[t->count / 3 % 4]);
		commit(e);
		arena_reset(&a);
	}
	arena_free(&a);
}

static void fill(struct task *t, uint32_t count)
{
	struct arena a;

	arena_init(&a, 65536);
	while (t->count < count) {
		struct store_edit *e;
		DO(store_edit_begin(&e, t->s, BRANCH, OS_FOREVER));
		for (unsigned i = 0; i < GROUP && t->count < count; i++, t->count++)
			deliver(e, &a, t->seq++);
		commit(e);
	}
	arena_free(&a);
}

static void crowd(struct task *t, unsigned n)
{
	t->running = n;
	for (unsigned i = 0; i < n; i++)
		DO(os_spawn("deliver", deliveries, t));
	while (t->running > 0)
		DO(os_wait(&t->idle, OS_FOREVER));
}

/* ---- packs ---- */
struct out {
	uint64_t bytes;
	FILE *file;
};

static int sink(void *ctx, struct str bytes)
{
	struct out *o = ctx;

	if (o->bytes >> 20 != (o->bytes + bytes.n) >> 20)
		rows_see_memory();
	o->bytes += bytes.n;
	if (o->file && fwrite(bytes.p, 1, bytes.n, o->file) != bytes.n)
		return err_set(ERR_IO, "cannot write the pack");
	return 0;
}

static void clone(struct task *t)
{
	struct out o = { 0 };

	if (t->argc > 3) {
		o.file = fopen(t->argv[3], "we");
		if (!o.file)
			die(ERR_IO, t->argv[3]);
	}
	DO(store_pack(t->s, STR("refs/heads/"), sink, &o));
	if (o.file && fclose(o.file) != 0)
		die(ERR_IO, t->argv[3]);
	rows_say("bytes", (double)o.bytes);
}

static void receive(struct task *t)
{
	struct store_receive_limits limits = { UINT64_MAX, 1 << 30, UINT64_MAX, 20000000, 50 };
	struct store_receive *r;
	static char room[65536];
	FILE *f = fopen(t->argv[3], "re");
	struct out o = { 0 };
	size_t n;

	if (!f || !store_receive_begin)
		die(ERR_UNSUPPORTED, t->argv[3]);
	DO(store_receive_begin(&r, t->s, &limits));
	while ((n = fread(room, 1, sizeof(room), f)) > 0) {
		DO(sink(&o, str_n(room, n)));
		DO(store_receive_write(r, str_n(room, n)));
	}
	fclose(f);
	DO(store_receive_finish(r));
	rows_see_memory();
	rows_say("bytes", (double)o.bytes);
	store_receive_end(r);
}

/* ---- */
static uint32_t next_uid(struct store *s)
{
	struct str text;
	struct arena a;
	uint64_t n = 1;

	arena_init(&a, 1024);
	int err = store_local_get(&text, &a, s, STR("uidnext"));
	if (err >= 0)
		err = str_u64(&n, text, UINT32_MAX);
	if (err < 0 && err != ERR_NOENT)
		die(err, "uidnext");
	arena_free(&a);
	return (uint32_t)n;
}

static void measure(struct task *t, const char *what)
{
	struct store_stats before, after;

	t->seq = next_uid(t->s);
	store_stats(&before, t->s);
	written = writes = flushes = 0;
	double start = rows_now();
	if (t->argc > 3)
		t->until = start + strtod(t->argv[3], NULL);
	if (strcmp(what, "fill") == 0)
		fill(t, (uint32_t)strtoul(t->argv[3], NULL, 10));
	else if (strcmp(what, "alone") == 0)
		crowd(t, 1);
	else if (strcmp(what, "grouped") == 0)
		crowd(t, GROUP);
	else if (strcmp(what, "flags") == 0)
		flags(t, t->seq);
	else if (strcmp(what, "clone") == 0)
		clone(t);
	else if (strcmp(what, "receive") == 0)
		receive(t);
	double took = rows_now() - start;
	store_stats(&after, t->s);
	rows_say("seconds", took);
	rows_say("count", (double)t->count);
	rows_say("rate", (double)t->count / took);
	rows_say("grown", (double)after.used_bytes - (double)before.used_bytes);
	rows_say("written", (double)written);
	rows_say("writes", (double)writes);
	rows_say("flushes", (double)flushes);
}

static int run(void *p)
{
	struct task *t = p;
	const char *what = t->argv[1];
	double start;

	bool format = strcmp(what, "format") == 0;
	DO(os_disk_file(&t->disk, t->argv[2], format ? strtoull(t->argv[3], NULL, 10) : 0));
	if (format) {
		DO(store_format(t->disk));
		os_disk_close(t->disk);
		return 0;
	}
	count_ops(t->disk);
	start = rows_now();
	DO(store_open(&t->s, t->disk, &driver));
	if (strcmp(what, "open") == 0)
		rows_say("seconds", rows_now() - start);
	else
		measure(t, what);
	rows_say_memory();
	store_close(t->s);
	os_disk_close(t->disk);
	return 0;
}

int main(int argc, char **argv)
{
	static struct task t;

	if (argc < 3 ||
		(argc < 4 && strcmp(argv[1], "open") != 0 && strcmp(argv[1], "clone") != 0)) {
		fprintf(stderr, "usage: store WHAT DISK ...\n");
		return 2;
	}
	if (strncmp(argv[1], "sqlite-", 7) == 0)
		return peer_main(argc, argv);
	t.argc = argc;
	t.argv = argv;
	os_log_level(OS_ERROR);
	return os_run(run, &t);
}
