/* SPDX-License-Identifier: ISC */
#include "tests/dav/rig.h"
#include "os/crypto.h"
#include "os/main.h"
#include "tests/fake/stream.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text(0))

static void open_all(struct rig *r)
{
	OK(store_open(&r->cfg.store, r->disk, &r->driver));
	OK(id_open(&r->cfg.registry, r->cfg.store));
	OK(dav_open(&r->cfg));
}

static void close_all(struct rig *r)
{
	id_close(r->cfg.registry);
	store_close(r->cfg.store);
}

void rig_reopen(struct rig *r)
{
	close_all(r);
	open_all(r);
}

void rig_rebuild(struct rig *r)
{
	close_all(r);
	r->driver.version++;
	open_all(r);
}

struct run {
	const struct dav_service *service;
	void (*body)(struct rig *);
};

static int rig_main(void *arg)
{
	struct run *run = arg;
	struct rig r = { .cfg.service = run->service };
	struct fake_disk *f = fake_disk_new(64u << 20);
	struct store *s;

	r.disk = &f->d;
	arena_init(&r.a, 512u << 20);
	dav_driver(&r.driver, run->service);
	OK(store_format(r.disk));
	OK(store_open(&s, r.disk, &r.driver));
	OK(id_found(s, STR("example.org")));
	store_close(s);
	open_all(&r);
	OK(id_user_add(r.cfg.registry, STR("alice"), STR("Alice")));
	OK(id_user_add(r.cfg.registry, STR("bob"), STR("Bob")));
	OK(id_secret_add(&r.password, &r.a, r.cfg.registry,
		&(struct id_key){ ID_PASSWORD, STR("alice"), STR("test") }, 0));
	static struct id_guard *guard; /* for ever, as in a service */
	OK(id_guard_open(&guard));
	r.cfg.guard = guard;
	run->body(&r);
	close_all(&r);
	arena_free(&r.a);
	os_disk_close(r.disk);
	return 7;
}

void rig_run(const struct dav_service *service, void (*body)(struct rig *))
{
	struct run run = { service, body };
	cr_assert_eq(os_run(rig_main, &run), 7);
}

/* The body of a reply, its chunks joined. */
static struct str body_of(struct rig *r, struct str s)
{
	struct str size;
	struct buf b;

	if (str_find(r->head, STR("Transfer-Encoding: chunked")) < 0)
		return arena_dup(&r->a, s);
	buf_init(&b, &r->a);
	buf_add(&b, STR(""));
	while (s.n) {
		str_cut(&size, &s, s, '\n');
		size_t n = strtoul(arena_dup(&r->a, size).p, NULL, 16);
		buf_add(&b, str_sub(s, 0, n));
		s = str_sub(s, n + 2, s.n);
	}
	return buf_str(&b);
}

int ask(struct rig *r, const char *method, const char *target, const char *headers,
	const char *body)
{
	struct fake_stream f;
	struct buf in, basic;
	ptrdiff_t end;

	buf_init(&in, &r->a);
	buf_init(&basic, &r->a);
	os_base64(&basic, arena_fmt(&r->a, "alice:%.*s", STR_ARG(r->password)));
	buf_fmt(&in, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", method, target);
	if (!headers || !strstr(headers, "Authorization"))
		buf_fmt(&in, "Authorization: Basic %.*s\r\n", STR_ARG(buf_str(&basic)));
	buf_addz(&in, headers ? headers : "");
	if (body)
		buf_fmt(&in, "Content-Length: %zu\r\n", strlen(body));
	buf_fmt(&in, "\r\n%s", body ? body : "");
	fake_stream_init(&f, buf_str(&in), 4096);
	dav_serve(&r->cfg, &f.s);
	end = str_find(buf_str(&f.out), STR("\r\n\r\n"));
	cr_assert(end > 0, "no reply");
	r->head = arena_dup(&r->a, str_sub(buf_str(&f.out), 0, (size_t)end + 2));
	r->reply = body_of(r, str_sub(buf_str(&f.out), (size_t)end + 4, f.out.n));
	fake_stream_free(&f);
	return atoi(r->head.p + 9);
}

struct str header(struct rig *r, const char *name)
{
	struct str line, rest = r->head, key, value;

	while (rest.n) {
		str_cut(&line, &rest, rest, '\n');
		if (str_cut(&key, &value, line, ':') && str_ieq(key, str_of(name)))
			return str_trim(value);
	}
	return STR_NONE;
}

bool says(struct rig *r, const char *text)
{
	return str_find(r->reply, str_of(text)) >= 0;
}

int times(struct rig *r, const char *text)
{
	struct str rest = r->reply;
	ptrdiff_t at;
	int n = 0;

	for (; (at = str_find(rest, str_of(text))) >= 0; n++)
		rest = str_sub(rest, (size_t)at + strlen(text), rest.n);
	return n;
}

const char *between(struct rig *r, const char *before, const char *after)
{
	ptrdiff_t from = str_find(r->reply, str_of(before)), to;
	struct str rest;

	if (from < 0)
		return "";
	rest = str_sub(r->reply, (size_t)from + strlen(before), r->reply.n);
	to = str_find(rest, str_of(after));
	return arena_dup(&r->a, str_sub(rest, 0, to < 0 ? 0 : (size_t)to)).p;
}
