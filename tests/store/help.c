/* SPDX-License-Identifier: ISC */
#include "tests/store/help.h"

#include "os/crypto.h"
#include "os/log.h"

#include <stdlib.h>

const struct store_why why_test = { { "tester", 6 }, { "tester@example.org", 18 },
	{ "test: edit", 10 }, 1700000000 };

void on_disk(int (*fn)(void *), uint64_t bytes)
{
	struct fake_disk *f = fake_disk_new(bytes);
	os_log_level(OS_ERROR);
	OK(store_format(&f->d));
	OK(os_run(fn, f));
	os_disk_close(&f->d);
}

struct store_oid tree_of(struct store *s, struct str ref)
{
	struct store_oid id;
	struct store_commit c;
	struct arena a;

	arena_init(&a, MIB);
	OK(store_ref_get(&id, s, ref));
	OK(store_commit_get(&c, &a, s, &id));
	id = c.tree;
	arena_free(&a);
	return id;
}

int read_text(struct str *out, struct arena *a, struct store *s, struct str ref, struct str path)
{
	struct store_oid id;
	struct store_entry e;
	struct store_commit c;
	int err = store_ref_get(&id, s, ref);

	*out = STR_NONE;
	if (err >= 0)
		err = store_commit_get(&c, a, s, &id);
	if (err >= 0)
		err = store_find(&e, s, &c.tree, path);
	if (err >= 0)
		err = store_blob_all(out, a, s, &e.oid, 64 * MIB);
	return err == ERR_NOENT ? 0 : err;
}

struct str text_at(struct arena *a, struct store *s, struct str ref, struct str path)
{
	struct str out;
	OK(read_text(&out, a, s, ref, path));
	return out;
}

int put_text(struct store *s, struct str ref, struct str path, struct str text)
{
	struct store_edit *e;
	int err = store_edit_begin(&e, s, ref, OS_FOREVER);

	if (err < 0)
		return err;
	err = store_edit_put_bytes(e, path, text);
	if (err < 0) {
		store_edit_abort(e);
		return err;
	}
	return store_edit_commit(NULL, e, &why_test);
}

struct str num(struct arena *a, const char *fmt, unsigned n)
{
	char text[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int len = snprintf(text, sizeof(text), fmt, n, n % 16, n / 16 % 16);
#pragma GCC diagnostic pop
	return arena_dup(a, str_n(text, (size_t)len));
}

void noise(char *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i % 8 ? (uint64_t)(uint8_t)p[i - 1] * 31 + 7 : fake_random(&seed));
}

uint64_t any_seed(const char *what)
{
	const char *given = getenv("STORE_SEED");
	uint64_t seed;

	if (given)
		OK(str_u64(&seed, str_of(given), UINT64_MAX));
	else
		os_random(&seed, sizeof(seed));
	fprintf(stderr, "%s: STORE_SEED=%llu\n", what, (unsigned long long)seed);
	return seed;
}

static void note(void *ctx, struct str what)
{
	if (ctx)
		buf_fmt(ctx, "%.*s\n", STR_ARG(what));
}

uint64_t verify_count(struct store *s, struct buf *what)
{
	struct store_verify v = { .mismatch = note, .ctx = what };
	OK(store_verify(s, &v));
	return v.mismatches;
}

struct crowd {
	void (*fn)(void *);
	void *arg;
	unsigned *left;
	struct os_waitq *end;
};

static void one(void *p)
{
	struct crowd *c = p;
	c->fn(c->arg);
	if (--*c->left == 0)
		os_wake_all(c->end);
	free(c);
}

void fibers(unsigned n, void (*fn)(void *), void *args, size_t arg_size)
{
	struct os_waitq end = OS_WAITQ;
	unsigned left = n;

	for (unsigned i = 0; i < n; i++) {
		struct crowd *c = malloc(sizeof(*c));
		*c = (struct crowd){ fn, (char *)args + i * arg_size, &left, &end };
		OK(os_spawn("test", one, c));
	}
	while (left > 0)
		OK(os_wait(&end, OS_FOREVER));
}
