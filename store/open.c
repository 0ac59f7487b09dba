/* SPDX-License-Identifier: ISC */
/* Opening and closing, the writer's turn, figures, records read outside an edit. */
#include "store/sweep_impl.h"

#include "os/log.h"
#include "os/map.h"

#define SPACE_RESERVE ((uint64_t)64 * 1024 * 1024)

#pragma weak os_map_stats /* absent where the host's kernel does the mapping */

static int start_zlib(struct store *s)
{
	s->scratch = malloc(SCRATCH_BYTES);
	s->compressor = libdeflate_alloc_compressor(1);
	if (!s->scratch || !s->compressor ||
		deflateInit2(&s->deflate, 1, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
			Z_OK ||
		inflateInit2(&s->inflate, -MAX_WBITS) != Z_OK)
		return err_set(ERR_NOMEM, "store: out of memory");
	return 0;
}

static void store_free(struct store *s)
{
	group_unref(s->group);
	loose_free(s);
	omap_free(&s->pending);
	for (struct watch *w = s->watches, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	log_close(s->log);
	if (s->kv)
		kv_close(s->kv);
	free(s->units);
	node_free(s->warm.root);
	libdeflate_free_compressor(s->compressor);
	deflateEnd(&s->deflate);
	inflateEnd(&s->inflate);
	free(s->scratch);
	free(s->record);
	free(s->frame);
	free(s);
}

/* Numbers go on from the last group; a store never written to starts at the clock. */
static uint64_t log_seq(const struct store *s)
{
	struct log_pos at;

	log_tell(&at, s->log);
	return at.seq;
}

static void load_seq(struct store *s)
{
	int64_t now = os_wall_sec();

	s->seq = log_seq(s);
	if (!s->seq)
		s->seq = (uint64_t)(now > 0 ? now : 1) << 20;
}

/* What the log still holds although it was swept must not be taken for whole. */
static int forget_garbage(struct store *s)
{
	struct str v;
	int err = s->failed ? ERR_NOENT : kv_get(&v, s->kv, KV_SYS, KEY_GARBAGE);

	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = sweep_forget(s);
	if (err != ERR_CORRUPT)
		return err;
	os_log(OS_WARN, "svc=store event=garbage-kept why=\"%s\"", err_text(err));
	return 0;
}

static int load(struct store *s)
{
	int err;

	load_seq(s);
	err = pending_open(s);
	if (err >= 0)
		err = derive_open(s);
	return err < 0 ? err : forget_garbage(s);
}

int store_open(struct store **out, struct os_disk *d, const struct store_driver *driver)
{
	struct store *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_set(ERR_NOMEM, "store: out of memory");
	s->disk = d;
	s->driver = driver;
	s->loose_end = &s->loose_first;
	err = super_load(&s->super, d);
	if (err >= 0)
		err = start_zlib(s);
	if (err >= 0)
		err = index_open(s);
	if (err >= 0)
		err = load(s);
	if (err == ERR_CORRUPT && s->kv && kv_damaged(s->kv)) {
		err = index_again(s);
		if (err >= 0)
			err = load(s);
	}
	if (err < 0)
		store_free(s);
	else
		*out = s;
	return err;
}

void store_close(struct store *s)
{
	s->closing = true;
	os_wake_all(&s->keeper_wake);
	os_wake_all(&s->room);
	while (s->users > 0 || s->keeper)
		if (os_wait(&s->idle, OS_FOREVER) < 0)
			os_panic("store: a wait without end ended");
	if (!s->failed && os_lock(&s->turn, OS_FOREVER) >= 0) {
		group_write(s); /* spools' leftovers: nobody waits for them */
		if (!s->failed && s->forwarded != log_seq(s))
			(void)!index_forward(s); /* nothing is left to replay */
		if (!s->failed && kv_damaged(s->kv))
			index_lose(s);
	}
	store_free(s);
}

uint64_t store_seq(const struct store *s)
{
	return s->seq;
}

/* Bytes that groups may still take: of free units, and of the one being filled. */
static uint64_t space_left(const struct store *s)
{
	struct log_pos at;

	log_tell(&at, s->log);
	return (uint64_t)log_units_free(s->log) * s->super.unit_bytes + s->super.unit_bytes - at.at;
}

void store_stats(struct store_stats *out, struct store *s)
{
	struct os_map_stats map = { 0 };

	if (os_map_stats)
		os_map_stats(&map);
	*out = s->stats;
	out->seq = s->seq;
	out->index_damaged = kv_damaged(s->kv);
	out->read_only = s->failed ? s->fail_text : NULL;
	out->size_bytes = (uint64_t)s->super.units * s->super.unit_bytes;
	/* The unit that the log will go on in is empty as well. */
	out->used_bytes =
		out->size_bytes - space_left(s) - s->super.unit_bytes - kv_free_bytes(s->kv);
	out->map_faults = map.faults;
	out->map_evictions = map.evictions;
}

/* ---- turns ---- */
void store_user_add(struct store *s)
{
	s->users++;
}

void store_user_del(struct store *s)
{
	if (--s->users == 0)
		os_wake_all(&s->idle);
}

unsigned history_begin(struct store *s)
{
	unsigned walk = s->turn_of_walks;

	s->walks[walk]++;
	return walk;
}

void history_end(struct store *s, unsigned walk)
{
	if (--s->walks[walk] == 0)
		os_wake_all(&s->walked);
}

int store_turn(struct store *s, os_time deadline)
{
	int err = s->closing ? err_set(ERR_CLOSED, "store: closing") : os_lock(&s->turn, deadline);

	if (err < 0)
		return err;
	if (s->failed) {
		os_unlock(&s->turn);
		return err_set(s->fail_err, "%s", s->fail_text);
	}
	return 0;
}

void store_fail(struct store *s, int err, const char *text)
{
	if (s->failed)
		return;
	s->failed = true;
	s->fail_err = err;
	snprintf(s->fail_text, sizeof(s->fail_text), "%s", text);
	os_log(OS_ERROR, "svc=store event=failed seq=%llu why=\"%s\"", (unsigned long long)s->seq,
		s->fail_text);
}

void store_read_only(struct store *s, int err)
{
	char text[sizeof(s->fail_text)];

	snprintf(text, sizeof(text), "%.190s; read only until recovered from a backup",
		err_text(err));
	store_fail(s, err, text);
}

void store_turn_end(struct store *s)
{
	os_unlock(&s->turn);
}

int space_check(struct store *s, size_t bytes, bool grows)
{
	/* For the index to grow, deletes, a checkpoint, the sweep; deletes may use some of it. */
	uint64_t unit = s->super.unit_bytes, reserve = (uint64_t)s->super.units / 16 * unit;

	if (reserve < 3 * unit)
		reserve = 3 * unit;
	if (reserve > SPACE_RESERVE)
		reserve = SPACE_RESERVE;
	if (s->group)
		bytes += group_bytes(s->group);
	/* What the index can't take stays in memory. */
	if ((s->index_full && grows) ||
		space_left(s) < bytes + bytes / 8 + (grows ? reserve : unit))
		return err_set(ERR_NOSPACE, "store: the disk is full");
	return 0;
}

int store_watch(struct store *s, store_watch_fn *fn, void *ctx)
{
	struct watch *w = malloc(sizeof(*w));

	if (!w)
		return err_set(ERR_NOMEM, "store: out of memory");
	*w = (struct watch){ s->watches, fn, ctx };
	s->watches = w;
	return 0;
}

void store_unwatch(struct store *s, store_watch_fn *fn, void *ctx)
{
	for (struct watch **at = &s->watches; *at; at = &(*at)->next) {
		struct watch *w = *at;

		if (w->fn == fn && w->ctx == ctx) {
			*at = w->next;
			free(w);
			return;
		}
	}
}

/* ---- local records and rows ---- */
static int record_get(
	struct str *out, struct arena *a, struct store *s, enum kv_table t, struct str key)
{
	struct str v;
	int err;

	if (key.n == 0 || key.n > STORE_KEY_MAX)
		return ERR_NOENT;
	err = kv_get(&v, s->kv, t, key);
	if (err < 0)
		return err;
	*out = arena_dup(a, v);
	return out->p ? 0 : err_set(ERR_LIMIT, "store: value over the caller's memory");
}

int store_local_get(struct str *out, struct arena *a, struct store *s, struct str key)
{
	return record_get(out, a, s, KV_LOCAL, key);
}

int store_row_get(struct str *out, struct arena *a, struct store *s, struct str key)
{
	return record_get(out, a, s, KV_ROW, key);
}

int store_local_scan(
	struct store *s, struct str prefix, struct str from, store_kv_fn *fn, void *ctx)
{
	return kv_scan(s->kv, KV_LOCAL, prefix, from, fn, ctx);
}

int store_row_scan(struct store *s, struct str prefix, struct str from, store_kv_fn *fn, void *ctx)
{
	return kv_scan(s->kv, KV_ROW, prefix, from, fn, ctx);
}
