/* SPDX-License-Identifier: ISC */
#include "provisioner/client.h"
#include "os/crypto.h"
#include "os/log.h"
#include "os/main.h"
#include "provisioner/home.h"
#include "provisioner/pipe.h"
#include "provisioner/say.h"
#include "provisioner/supervisor.h"

#define CONNECT_NS (10 * OS_SEC)
#define REPLY_NS   (120 * OS_SEC) /* between two parts of a reply */
#define REPLY_MAX  (4 * 1024 * 1024)
#define LINE_MAX_B (1024 * 1024)

/* ---- open and close ---- */

static int open_running(struct prov_client *c)
{
	struct str ca;
	int err = prov_file_read(&ca, &c->p->arena, prov_path(c->p, "ca.pem"), 65536);

	return err < 0 ? err : os_tls_client(&c->tls, ca);
}

static int open_stopped(struct prov_client *c)
{
	struct control_config cfg = {
		.token = str_of(c->token), .name = c->s->name, .version = STR("")
	};
	int err = os_disk_file(&c->disk, c->s->disk, 0);

	if (err == ERR_BUSY)
		return err_set(ERR_BUSY, "another process has %s open", c->s->disk);
	os_log_level(OS_WARN); /* this is no log */
	if (err == 0)
		err = store_open(&c->store, c->disk, prov_driver_store(c->s->name));
	if (err == 0)
		err = id_open(&c->registry, c->store);
	if (err == 0)
		err = prov_driver_open(&c->driver, c->s->name, c->store, c->registry);
	if (err < 0)
		return err;
	cfg.words = c->driver.has_words ? &c->driver.words : NULL;
	cfg.items = c->driver.has_items ? &c->driver.items : NULL;
	cfg.store = c->store;
	cfg.registry = c->registry;
	return control_open(&c->control, &cfg);
}

int prov_client_open(struct prov_client *c, struct prov *p, const struct prov_service *s)
{
	const char *state = "stopped", *why;
	struct str token;
	json_t *status;
	int err;

	*c = (struct prov_client){ .p = p, .s = s };
	err = prov_file_read(&token, &p->arena, prov_path(p, "keys/control.token"), 1024);
	if (err < 0)
		return err;
	token = arena_dup(&p->arena, str_trim(token));
	os_assert(token.p);
	c->token = token.p;
	err = prov_ask(&status, p, "status");
	if (err < 0 && err != ERR_NOENT)
		return err;
	if (err == 0) {
		state = arena_dup(&p->arena, str_of(prov_state_in(status, s->name, &why))).p;
		json_decref(status);
	}
	if (strcmp(state, "ready") == 0)
		err = open_running(c);
	else if (strcmp(state, "stopped") == 0 || strcmp(state, "failed") == 0)
		err = open_stopped(c);
	else
		err = err_set(ERR_BUSY, "%.*s is %s", STR_ARG(s->name), state);
	if (err < 0)
		prov_client_close(c);
	return err;
}

void prov_client_close(struct prov_client *c)
{
	if (c->tls)
		os_tls_free(c->tls);
	if (c->control)
		control_close(c->control);
	prov_driver_close(&c->driver);
	if (c->registry)
		id_close(c->registry);
	if (c->store)
		store_close(c->store);
	if (c->disk)
		os_disk_close(c->disk);
	c->tls = NULL;
	c->control = NULL;
	c->registry = NULL;
	c->store = NULL;
	c->disk = NULL;
}

/* ---- requests ---- */

struct served {
	struct control *control;
	struct os_stream *s;
};

static void serve(void *arg)
{
	struct served v = *(struct served *)arg;

	free(arg);
	control_serve(v.control, v.s);
}

static int connect_here(struct os_stream **out, struct prov_client *c)
{
	struct served *v = malloc(sizeof(*v));
	int err;

	if (!v)
		return err_set(ERR_NOMEM, "out of memory");
	err = prov_pipe(out, &v->s);
	if (err == 0) {
		v->control = c->control;
		err = os_spawn("control", serve, v);
		if (err == 0)
			return 0;
		os_stream_close(*out);
		os_stream_close(v->s);
	}
	free(v);
	return err;
}

static int connect_there(struct os_stream **out, struct prov_client *c)
{
	const struct prov_listen *l = prov_listen_find(c->s, "control");
	struct os_stream *raw;
	struct os_addr to;
	int err;

	if (!l)
		return err_set(ERR_NOENT, "allod.conf states no control port for %.*s",
			STR_ARG(c->s->name));
	to = prov_listen_reach(l);
	err = os_connect(&raw, &to, os_after(CONNECT_NS));
	if (err < 0)
		return err;
	return os_tls_connect(out, c->tls, raw, STR("localhost"), os_after(CONNECT_NS));
}

static int dial(struct os_stream **out, void *ctx)
{
	struct prov_client *c = ctx;

	return c->control ? connect_here(out, c) : connect_there(out, c);
}

/* The words of an error reply. */
static int refused(struct prov_client *c, struct http_client *h)
{
	static const struct {
		int status, err;
	} map[] = { { 400, ERR_BAD }, { 401, ERR_DENIED }, { 403, ERR_DENIED }, { 404, ERR_NOENT },
		{ 409, ERR_CONFLICT }, { 507, ERR_NOSPACE } };
	const char *error = NULL, *hint = NULL;
	int err = ERR_IO, status = h->status;
	struct str part;
	json_error_t why;
	struct buf b;
	json_t *j;

	buf_init(&b, &c->p->arena);
	while (b.n < 65536 && http_reply_body(&part, h, os_after(REPLY_NS)) == 0 && part.n)
		buf_add(&b, part);
	j = json_loadb(b.p ? b.p : "", b.n, 0, &why);
	if (j && json_unpack(j, "{s:s,s?s}", "error", &error, "hint", &hint) == 0 && hint)
		snprintf(c->hint, sizeof(c->hint), "%s", hint);
	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].status == status)
			err = map[i].err;
	if (error)
		err_set(err, "%s", error);
	else
		err_set(err, "the service answered %d", status);
	json_decref(j);
	return err;
}

struct asking {
	const char *method, *target, *type; /* of the body; NULL: none */
	struct str body;
};

static int request(
	struct prov_client *c, struct http_client *h, struct os_stream *s, const struct asking *q)
{
	struct str type =
		q->type ? arena_fmt(&c->p->arena, "Content-Type: %s\r\n", q->type) : STR("");
	struct str headers = arena_fmt(&c->p->arena,
		"Authorization: Bearer %s\r\nConnection: close\r\n%.*s", c->token, STR_ARG(type));
	int err;

	os_assert(headers.p);
	err = http_request(h, s, str_of(q->method), STR("localhost"), str_of(q->target), headers,
		q->body, os_after(REPLY_NS));
	if (err == 0 && h->status / 100 != 2)
		err = refused(c, h);
	return err;
}

static int exchange(struct prov_client *c, const struct asking *q, prov_bytes_fn *fn, void *ctx)
{
	struct http_client *h = malloc(sizeof(*h));
	struct os_stream *s;
	struct str part;
	int err;

	if (!h)
		return err_set(ERR_NOMEM, "out of memory");
	c->hint[0] = '\0';
	err = dial(&s, c);
	if (err == 0) {
		err = request(c, h, s, q);
		while (err == 0) {
			err = http_reply_body(&part, h, os_after(REPLY_NS));
			if (err < 0 || part.n == 0)
				break;
			err = fn(ctx, part);
		}
		os_stream_close(s);
	}
	free(h);
	return err;
}

static int gather(void *ctx, struct str part)
{
	struct buf *b = ctx;

	buf_add(b, part);
	return b->n > REPLY_MAX ? err_set(ERR_LIMIT, "the reply is too long") : b->err;
}

int prov_call(
	json_t **reply, struct prov_client *c, const char *method, const char *target, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct asking q = { method, target, text ? "application/json" : NULL,
		text ? str_of(text) : STR("") };
	json_error_t why;
	struct buf b;
	json_t *j;
	int err;

	buf_init(&b, NULL);
	err = exchange(c, &q, gather, &b);
	free(text);
	if (err == 0) {
		j = json_loadb(b.p ? b.p : "", b.n, 0, &why);
		if (!j)
			err = err_set(ERR_BAD, "the service's reply is no JSON: %s", why.text);
		else if (reply)
			*reply = j;
		else
			json_decref(j);
	}
	if (b.p)
		os_wipe(b.p, b.n); /* it may be a password */
	buf_free(&b);
	return err;
}

struct lines {
	struct buf part; /* of a line */
	prov_line_fn *fn;
	void *ctx;
};

static int take_line(struct lines *l, struct str line)
{
	json_error_t why;
	const char *error;
	json_t *j = json_loadb(line.p, line.n, 0, &why);
	int err;

	if (!j)
		return err_set(ERR_BAD, "the service's reply is no JSON: %s", why.text);
	if (json_unpack(j, "{s:s}", "error", &error) == 0)
		err = err_set(ERR_IO, "%s", error);
	else
		err = l->fn(l->ctx, j);
	json_decref(j);
	return err;
}

static int split(void *ctx, struct str part)
{
	struct lines *l = ctx;
	ptrdiff_t end;

	while ((end = str_chr(part, '\n')) >= 0) {
		int err;

		buf_add(&l->part, str_sub(part, 0, (size_t)end));
		err = l->part.err < 0 ? l->part.err : take_line(l, buf_str(&l->part));
		if (err < 0)
			return err;
		l->part.n = 0;
		part = str_sub(part, (size_t)end + 1, part.n);
	}
	buf_add(&l->part, part);
	return l->part.n > LINE_MAX_B ? err_set(ERR_LIMIT, "a line is too long") : l->part.err;
}

static int ask_lines(struct prov_client *c, const struct asking *q, prov_line_fn *fn, void *ctx)
{
	struct lines l = { .fn = fn, .ctx = ctx };
	int err;

	buf_init(&l.part, NULL);
	err = exchange(c, q, split, &l);
	if (err == 0 && l.part.n)
		err = err_set(ERR_CLOSED, "the reply ended in the middle of a line");
	buf_free(&l.part);
	return err;
}

int prov_lines(
	struct prov_client *c, const char *method, const char *target, prov_line_fn *fn, void *ctx)
{
	return ask_lines(c, &(struct asking){ method, target, NULL, STR("") }, fn, ctx);
}

int prov_send(
	struct prov_client *c, const char *target, struct str body, prov_line_fn *fn, void *ctx)
{
	struct asking q = { "POST", target, "application/octet-stream", body };

	return ask_lines(c, &q, fn, ctx);
}

int prov_bytes(struct prov_client *c, const char *target, prov_bytes_fn *fn, void *ctx)
{
	return exchange(c, &(struct asking){ "GET", target, NULL, STR("") }, fn, ctx);
}

void prov_client_remote(struct sync_remote *out, struct prov_client *c)
{
	*out = (struct sync_remote){
		.dial = dial,
		.ctx = c,
		.host = STR("localhost"),
		.path = STR("/git"),
		.login = arena_fmt(&c->p->arena, "Bearer %s", c->token),
		.idle = REPLY_NS,
	};
	os_assert(out->login.p);
}

void prov_encode(struct buf *out, struct str value)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";

	for (size_t i = 0; i < value.n; i++) {
		if (memchr(plain, value.p[i], sizeof(plain) - 1))
			buf_addc(out, value.p[i]);
		else
			buf_fmt(out, "%%%02X", (unsigned char)value.p[i]);
	}
}

/* ---- around a verb ---- */

struct run {
	struct prov_session x;
	const struct prov_service *s;
	int (*fn)(struct prov_session *x);
};

int prov_client_fail(const struct prov_client *c, int err, const char *what)
{
	return prov_fail(c->hint[0] ? c->hint : NULL, "%s: %s", what, err_text(err));
}

static int in_fiber(void *arg)
{
	struct run *r = arg;
	struct prov_client c;
	int err = prov_client_open(&c, r->x.p, r->s), code;

	if (err == ERR_BUSY)
		return prov_fail("`allod status` shows when it is ready", "cannot reach %.*s: %s",
			STR_ARG(r->s->name), err_text(err));
	if (err < 0)
		return prov_fail(NULL, "cannot open %.*s: %s", STR_ARG(r->s->name), err_text(err));
	r->x.c = &c;
	code = r->fn(&r->x);
	prov_client_close(&c);
	return code;
}

int prov_with_client(struct prov *p, const struct prov_args *a, const char *service_word,
	int (*fn)(struct prov_session *x))
{
	return prov_with_client_ctx(p, a, service_word, fn, NULL);
}

int prov_with_client_ctx(struct prov *p, const struct prov_args *a, const char *service_word,
	int (*fn)(struct prov_session *x), void *ctx)
{
	struct run r = { .x = { .p = p, .args = a, .ctx = ctx }, .fn = fn };
	struct str name;
	int code;

	r.x.e = ARENA_NEW(&p->arena, struct prov_estate);
	os_assert(r.x.e);
	code = prov_estate_need(r.x.e, p);
	if (code != PROV_OK)
		return code;
	str_cut(&name, &r.x.path, str_of(service_word), '/');
	r.s = prov_service_find(r.x.e, name);
	if (!r.s)
		return prov_fail("`allod status` lists the services",
			"there is no service \"%.*s\"", STR_ARG(name));
	if (os_crypto_init() < 0)
		return prov_fail(NULL, "no source of randomness");
	code = os_run(in_fiber, &r);
	return code < 0 ? prov_fail(NULL, "cannot start: %s", err_text(code)) : code;
}
