/* SPDX-License-Identifier: ISC */
/* Opening and closing, the writer's turn, figures, records read outside an edit. */
#include "store/store_impl.h"

#include "os/map.h"

#pragma weak os_map_stats /* absent where the host's kernel does the mapping */

static int start_zlib(struct store *s)
{
	s->scratch = malloc(SCRATCH_BYTES);
	if (!s->scratch ||
		deflateInit2(&s->deflate, 1, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
			Z_OK ||
		inflateInit2(&s->inflate, -MAX_WBITS) != Z_OK)
		return err_set(ERR_NOMEM, "store: out of memory");
	return 0;
}

static void store_free(struct store *s)
{
	group_unref(s->group);
	git_close(s);
	loose_free(s);
	omap_free(&s->pending);
	for (struct watch *w = s->watches, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	if (s->kv)
		kv_close(s->kv);
	deflateEnd(&s->deflate);
	inflateEnd(&s->inflate);
	free(s->scratch);
	free(s->frame);
	free(s);
}

/* Numbers go on from the last group; a store never written to starts at the clock. */
static int load_seq(struct store *s)
{
	struct str v;
	int err = kv_get(&v, s->kv, KV_SYS, STR("mseq"));

	if (err == ERR_NOENT) {
		int64_t now = os_wall_sec();
		s->seq = (uint64_t)(now > 0 ? now : 1) << 20;
		return 0;
	}
	if (err < 0)
		return err;
	if (v.n != 8)
		return err_set(ERR_CORRUPT, "store: the group number is damaged");
	s->seq = load_be64(v.p);
	return 0;
}

int store_open(struct store **out, struct os_disk *d, const struct store_driver *driver)
{
	struct super u;
	struct store *s;
	int err = super_load(&u, d);

	if (err < 0)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(ERR_NOMEM, "store: out of memory");
	s->driver = driver;
	s->kv_bytes = u.kv_bytes;
	s->loose_end = &s->loose_first;
	err = start_zlib(s);
	if (err >= 0)
		err = kv_open(&s->kv, d, u.kv_offset, u.kv_bytes);
	if (err >= 0)
		err = load_seq(s);
	if (err >= 0)
		err = pending_sweep(s);
	if (err >= 0)
		err = derive_open(s);
	if (err < 0)
		store_free(s);
	else
		*out = s;
	return err;
}

void store_close(struct store *s)
{
	s->closing = true;
	while (s->users > 0)
		if (os_wait(&s->idle, OS_FOREVER) < 0)
			os_panic("store: a wait without end ended");
	if (!s->failed && s->group) {
		int err = os_lock(&s->turn, OS_FOREVER);
		if (err >= 0)
			group_write(s); /* spools' leftovers: nobody waits for them */
	}
	store_free(s);
}

uint64_t store_seq(const struct store *s)
{
	return s->seq;
}

void store_stats(struct store_stats *out, struct store *s)
{
	struct os_map_stats map = { 0 };

	if (os_map_stats)
		os_map_stats(&map);
	*out = s->stats;
	out->seq = s->seq;
	out->size_bytes = s->kv_bytes;
	out->used_bytes = s->kv_bytes - kv_free_bytes(s->kv, UINT64_MAX);
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

int store_turn(struct store *s, os_time deadline)
{
	int err = s->closing ? err_set(ERR_CLOSED, "store: closing") : os_lock(&s->turn, deadline);

	if (err < 0)
		return err;
	if (s->failed) {
		os_unlock(&s->turn);
		return err_set(ERR_IO, "store: the disk has failed; writing stopped");
	}
	return 0;
}

void store_turn_end(struct store *s)
{
	os_unlock(&s->turn);
}

int space_check(struct store *s, size_t bytes, bool grows)
{
	/* A commit rewrites the index pages on its way; deletes may use most of the reserve. */
	uint64_t reserve = s->kv_bytes / 32, need;

	if (reserve < 256 * 1024)
		reserve = 256 * 1024;
	if (reserve > 32 * 1024 * 1024)
		reserve = 32 * 1024 * 1024;
	if (s->group)
		bytes += group_bytes(s->group);
	need = 2 * (uint64_t)bytes + (grows ? reserve : reserve / 4);
	if (kv_free_bytes(s->kv, need) < need)
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
