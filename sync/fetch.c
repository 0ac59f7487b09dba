/* SPDX-License-Identifier: ISC */
/*
 * gitprotocol-v2(5) over gitprotocol-http(5): one request to see that it is spoken, one for the
 * refs, one for the pack. Everything that is common is told at once, so there is no negotiation.
 */
#include "sync/fetch.h"

#include "os/http.h"
#include "sync/git_wire.h"

#include <stdlib.h>

#define REQUEST_TYPE "application/x-git-upload-pack-request"
#define WORDS_MAX    200 /* of an error's text */

struct call { /* one request and what comes back */
	const struct sync_remote *r;
	struct os_stream *s;
	struct http_client http;
	struct git_reply reply;
	struct str in; /* not yet looked at */
};

static os_time patience(const struct call *c)
{
	return os_after(c->r->idle);
}

/* What stands in the body of a refusal. */
static int refused(struct call *c)
{
	int err = c->http.status == 401 || c->http.status == 403 ? ERR_DENIED
		: c->http.status == 404                          ? ERR_NOENT
		: c->http.status == 429 || c->http.status == 503 ? ERR_BUSY
								 : ERR_IO;
	char text[WORDS_MAX];
	size_t n = 0;
	struct str part;

	while (n < sizeof(text) && http_reply_body(&part, &c->http, patience(c)) == 0 && part.n) {
		part = str_sub(part, 0, sizeof(text) - n);
		memcpy(text + n, part.p, part.n);
		n += part.n;
	}
	part = str_trim(str_n(text, n));
	for (size_t i = 0; i < part.n; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	return err_set(err, "git: answered %d: %.*s", c->http.status, STR_ARG(part));
}

static int ask(struct call *c, struct str method, const char *what, struct str body)
{
	const struct sync_remote *r = c->r;
	struct arena a;
	struct str target, headers;
	int err;

	arena_init(&a, 16 * 1024);
	target = arena_fmt(&a, "%.*s/%s", STR_ARG(r->path), what);
	headers = arena_fmt(&a, "Git-Protocol: version=2\r\nConnection: close\r\n%s%.*s%s%s",
		r->login.p ? "Authorization: " : "", STR_ARG(r->login), r->login.p ? "\r\n" : "",
		body.n ? "Content-Type: " REQUEST_TYPE "\r\n" : "");
	if (target.p && headers.p)
		err = http_request(
			&c->http, c->s, method, r->host, target, headers, body, patience(c));
	else
		err = err_set(ERR_LIMIT, "git: the repository's path is too long");
	arena_free(&a);
	return err == 0 && c->http.status != 200 ? refused(c) : err;
}

static int call_open(struct call **out, const struct sync_remote *r, struct str method,
	const char *what, struct str body)
{
	struct call *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return err_set(ERR_NOMEM, "git: out of memory");
	c->r = r;
	err = r->dial(&c->s, r->ctx);
	if (err == 0 && (err = ask(c, method, what, body)) < 0)
		os_stream_close(c->s);
	if (err == 0)
		*out = c;
	else
		free(c);
	return err;
}

static void call_close(struct call *c)
{
	os_stream_close(c->s);
	free(c);
}

/* ERR_CLOSED: the answer ended, between two packets; ERR_BAD: elsewhere. */
static int hear(enum git_said *what, struct str *data, struct call *c)
{
	int err;

	while ((err = git_reply_next(what, data, &c->reply, &c->in)) == ERR_AGAIN) {
		err = http_reply_body(&c->in, &c->http, patience(c));
		if (err < 0)
			return err;
		if (c->in.n == 0)
			return git_reply_at_rest(&c->reply)
				? err_set(ERR_CLOSED, "git: the answer ends early")
				: err_set(ERR_BAD,
					  "git: the answer ends in the middle of a packet");
	}
	return err;
}

/* ---- refs ---- */
/* It says that it speaks v2 and which commands it has. */
static int check_version(const struct sync_remote *r)
{
	bool two = false, list = false, fetch = false, sha1 = true;
	enum git_said what;
	struct str line, key, value;
	struct call *c;
	int err = call_open(&c, r, STR("GET"), "info/refs?service=git-upload-pack", STR_NONE);

	if (err < 0)
		return err;
	while ((err = hear(&what, &line, c)) == 0) {
		str_cut(&key, &value, line, '=');
		if (what == GIT_SAID_FLUSH && two) /* not the one after "# service=" */
			break;
		if (what != GIT_SAID_LINE)
			continue;
		two |= str_eq(line, STR("version 2"));
		list |= str_eq(key, STR("ls-refs"));
		fetch |= str_eq(key, STR("fetch"));
		if (str_eq(key, STR("object-format")))
			sha1 = str_eq(value, STR("sha1"));
	}
	call_close(c);
	if ((err == 0 || err == ERR_CLOSED || err == ERR_BAD) && !(two && list && fetch && sha1))
		err = err_set(ERR_UNSUPPORTED, "git: the other side does not speak protocol v2");
	return err;
}

/* "<id> <name>[ attribute...]" */
static int take_ref(struct str line, struct str prefix, store_ref_fn *fn, void *ctx)
{
	struct str hex, name, rest;
	struct store_oid id;

	if (str_starts(line, STR("unborn ")))
		return 0;
	str_cut(&hex, &rest, line, ' ');
	str_cut(&name, &rest, rest, ' ');
	if (store_oid_parse(&id, hex) < 0 || name.n == 0)
		return err_set(ERR_BAD, "git: a line that tells no ref");
	return str_starts(name, prefix) ? fn(ctx, name, &id) : 0;
}

static int list_refs(const struct sync_remote *r, struct str body, struct str prefix,
	store_ref_fn *fn, void *ctx)
{
	enum git_said what;
	struct str line;
	struct call *c;
	int err = call_open(&c, r, STR("POST"), "git-upload-pack", body);

	if (err < 0)
		return err;
	while ((err = hear(&what, &line, c)) == 0 && what == GIT_SAID_LINE)
		if ((err = take_ref(line, prefix, fn, ctx)) < 0)
			break;
	if (err == 0 && what != GIT_SAID_FLUSH)
		err = err_set(ERR_BAD, "git: a packet out of place");
	call_close(c);
	return err;
}

static void request_head(struct buf *b, const char *command)
{
	buf_init(b, NULL);
	pkt_line(b, "command=%s\n", command);
	pkt_line(b, "agent=" GIT_AGENT "\n");
	pkt_line(b, "object-format=sha1\n");
	buf_addz(b, "0001");
}

int sync_refs(const struct sync_remote *r, struct str prefix, store_ref_fn *fn, void *ctx)
{
	struct buf body;
	int err = check_version(r);

	if (err < 0)
		return err;
	request_head(&body, "ls-refs");
	if (prefix.n)
		pkt_line(&body, "ref-prefix %.*s\n", STR_ARG(prefix));
	buf_addz(&body, "0000");
	err = body.err < 0 ? body.err : list_refs(r, buf_str(&body), prefix, fn, ctx);
	buf_free(&body);
	return err;
}

/* ---- the pack ---- */
static int take_boundary(struct str line, const struct sync_lack *l)
{
	struct str word, hex;
	struct store_oid id;

	str_cut(&word, &hex, line, ' ');
	if (!str_eq(word, STR("shallow")) || store_oid_parse(&id, hex) < 0)
		return err_set(ERR_BAD, "git: a line that tells no boundary");
	if (!l->shallow)
		return err_set(
			ERR_UNSUPPORTED, "git: the other side keeps only part of the history");
	return l->shallow(l->ctx, &id);
}

static int take_pack(struct call *c, const struct sync_lack *l)
{
	bool boundary = false;
	enum git_said what;
	struct str data;
	int err;

	while ((err = hear(&what, &data, c)) == 0 && what != GIT_SAID_FLUSH) {
		if (what == GIT_SAID_PACK)
			err = data.n ? l->pack(l->ctx, data) : 0;
		else if (what == GIT_SAID_PROGRESS && l->told)
			l->told(l->ctx, data);
		else if (what == GIT_SAID_LINE && boundary)
			err = take_boundary(data, l);
		else if (what == GIT_SAID_LINE)
			boundary = str_eq(data, STR("shallow-info"));
		else if (what == GIT_SAID_DELIM)
			boundary = false;
		if (err < 0)
			return err;
	}
	if (err == 0 && !c->reply.in_pack)
		err = err_set(ERR_BAD, "git: the answer holds no pack");
	return err;
}

int sync_fetch(const struct sync_remote *r, const struct sync_lack *l)
{
	char hex[STORE_HEX];
	struct buf body;
	struct call *c;
	int err;

	if (l->want_count == 0)
		return 0;
	if (l->want_count > SYNC_REFS_MAX)
		return err_set(ERR_LIMIT, "git: more than %d refs at once", SYNC_REFS_MAX);
	request_head(&body, "fetch");
	pkt_line(&body, "ofs-delta\n");
	for (size_t i = 0; i < l->want_count; i++)
		pkt_line(&body, "want %s\n", store_oid_hex(hex, &l->wants[i]));
	for (size_t i = 0; i < l->have_count && i < SYNC_HAVES_MAX; i++)
		pkt_line(&body, "have %s\n", store_oid_hex(hex, &l->haves[i]));
	for (size_t i = 0; i < l->shallow_count; i++)
		pkt_line(&body, "shallow %s\n", store_oid_hex(hex, &l->shallows[i]));
	pkt_line(&body, "done\n");
	buf_addz(&body, "0000");
	err = body.err < 0 ? body.err
			   : call_open(&c, r, STR("POST"), "git-upload-pack", buf_str(&body));
	buf_free(&body);
	if (err < 0)
		return err;
	err = take_pack(c, l);
	call_close(c);
	return err;
}
