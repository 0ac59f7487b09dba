/* SPDX-License-Identifier: ISC */
#include "tests/mail/imap_check.h"
#include "os/main.h"
#include "os/log.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>

#define OK(call) \
	do { \
		int ok_err = (call); \
		cr_assert(ok_err == 0, "%s: %s", #call, err_text(ok_err)); \
	} while (0)
#define PIPE_BYTES   (256 * 1024)
#define SESSIONS_MAX 4
#define PATIENCE     (10 * OS_SEC)

/* ---- a stream pair in memory ---- */
struct flow {
	char *p;
	size_t at, n;
	bool ended;
	struct os_waitq q;
	struct os_waitq *also;
};
struct end {
	struct os_stream s;
	struct flow *in, *out;
	size_t piece;
};

static void flow_wake(struct flow *f)
{
	os_wake_all(&f->q);
	if (f->also)
		os_wake_all(f->also);
}

static int end_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	struct end *e = (struct end *)s;
	struct flow *f = e->in;
	while (f->at == f->n && !f->ended) {
		int err = os_wait(&f->q, deadline);
		if (err < 0)
			return err;
	}
	*n = f->n - f->at < cap ? f->n - f->at : cap;
	*n = *n < e->piece ? *n : e->piece;
	if (*n)
		memcpy(p, f->p + f->at, *n);
	f->at += *n;
	if (f->at == f->n)
		f->at = f->n = 0;
	flow_wake(f);
	return 0;
}

static int end_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct flow *f = ((struct end *)s)->out;
	const char *from = p;
	while (n && !f->ended) {
		size_t room = PIPE_BYTES - f->n, k = n < room ? n : room;
		memcpy(f->p + f->n, from, k);
		f->n += k;
		from += k;
		n -= k;
		flow_wake(f);
		if (n && os_wait(&f->q, deadline) < 0)
			return ERR_TIMEOUT;
	}
	os_yield();
	return f->ended ? ERR_CLOSED : 0;
}

static bool end_readable(struct os_stream *s)
{
	struct flow *f = ((struct end *)s)->in;
	return f->at < f->n || f->ended;
}

static void end_notify(struct os_stream *s, struct os_waitq *q)
{
	((struct end *)s)->in->also = q;
}

static void end_close(struct os_stream *s)
{
	struct end *e = (struct end *)s;
	e->in->ended = e->out->ended = true;
	flow_wake(e->in);
	flow_wake(e->out);
}

static const struct os_stream_ops end_ops = { end_read, end_write, end_readable, end_notify,
	end_close };

struct pair {
	struct flow to_server, to_client;
	struct end server, client;
	struct imap_check_env *env;
	bool running, smtp;
};

static void pair_init(struct pair *p, struct imap_check_env *env, bool secure)
{
	memset(p, 0, sizeof(*p));
	p->to_server.p = malloc(PIPE_BYTES);
	p->to_client.p = malloc(PIPE_BYTES);
	p->server = (struct end){ { .ops = &end_ops, .secure = secure }, &p->to_server,
		&p->to_client, SIZE_MAX };
	p->client = (struct end){ { .ops = &end_ops, .secure = secure }, &p->to_client,
		&p->to_server, SIZE_MAX };
	p->server.s.peer.ip[15] = 7;
	p->env = env;
}

static void run_server(void *arg)
{
	struct pair *p = arg;
	if (p->smtp)
		smtp_session(&p->env->smtp, SMTP_MX, &p->server.s);
	else
		imap_session(&p->env->conf, &p->server.s, false);
	p->running = false;
	flow_wake(&p->to_client);
}

static void pair_end(struct pair *p)
{
	p->to_server.ended = true;
	flow_wake(&p->to_server);
	os_time by = os_after(PATIENCE);
	while (p->running && os_now() < by) {
		p->to_client.at = p->to_client.n = 0;
		flow_wake(&p->to_client);
		os_yield();
	}
	cr_assert(!p->running, "a session does not end");
	free(p->to_server.p);
	free(p->to_client.p);
}

/* ---- the appliance ---- */
static void env_open(struct imap_check_env *e)
{
	struct arena a;
	struct str password = STR_NONE;
	struct fake_disk *f = fake_disk_new(24 << 20);
	f->eager = true;
	e->disk = &f->d;
	os_log_level(OS_ERROR);
	arena_init(&a, 64 * 1024);
	OK(store_format(e->disk));
	OK(store_open(&e->store, e->disk, mail_driver()));
	OK(mail_open(&e->mail, e->store, STR("example.org")));
	OK(id_found(e->store, STR("example.org")));
	OK(id_open(&e->conf.registry, e->store));
	OK(id_guard_open(&e->conf.guard));
	OK(id_user_add(e->conf.registry, STR("alice"), STR("Alice")));
	OK(id_secret_add(&password, &a, e->conf.registry,
		&(struct id_key){ ID_PASSWORD, STR("alice"), STR("test") }, 0));
	snprintf(e->password, sizeof(e->password), "%.*s", STR_ARG(password));
	arena_free(&a);
	e->conf.mail = e->mail;
	e->conf.store = e->store;
	e->conf.append_max_bytes = 1000000;
	e->smtp = (struct smtp_config){
		.store = e->store,
		.mail = e->mail,
		.registry = e->conf.registry,
		.guard = e->conf.guard,
		.hostname = STR("mail.example.org"),
		.message_max_bytes = 1000000,
	};
}

static void env_close(struct imap_check_env *e)
{
	id_close(e->conf.registry);
	free(e->conf.guard);
	mail_close(e->mail);
	store_close(e->store);
	os_disk_close(e->disk);
}

void imap_check_deliver(struct imap_check_env *e, const char *mailbox, const char *bytes)
{
	struct mail_account *acct;
	struct store_spool *w;
	struct mail_item it = { .internal_sec = 1000000000 };
	struct mail_why why = { STR("smtp: deliver") };
	uint32_t uid, validity;
	OK(mail_account_open(&acct, e->mail, STR("alice")));
	OK(store_spool_begin(&w, e->store));
	OK(store_spool_write(w, str_of(bytes)));
	OK(store_spool_finish(&it.blob, &it.size_bytes, w));
	OK(mail_append(&uid, &validity, acct, str_of(mailbox), &it, 1, why));
	mail_account_close(acct);
}

/* ---- the script ---- */
struct run {
	struct imap_check_env env;
	struct pair *pairs[SESSIONS_MAX];
	void (*before)(struct imap_check_env *);
	const char *script;
	uint64_t number[26]; /* {a} to {z}; 0: not heard yet */
	char why[600];       /* what failed, told outside of the fiber */
	const char *input;
	size_t input_bytes, piece;
	char *answer;
};

static void say(struct pair *p, struct str s)
{
	OK(os_stream_write(&p->client.s, s, os_after(PATIENCE)));
}

/* The next line, without CRLF; `line` holds it. */
static bool hear(struct str *line, struct pair *p)
{
	static char text[PIPE_BYTES];
	struct flow *f = &p->to_client;
	size_t n = 0;
	for (;;) {
		while (f->at < f->n && n < sizeof(text)) {
			char c = f->p[f->at++];
			if (f->at == f->n) {
				f->at = f->n = 0;
				flow_wake(f);
			}
			if (c == '\n') {
				*line = str_n(text, n && text[n - 1] == '\r' ? n - 1 : n);
				return true;
			}
			text[n++] = c;
		}
		*line = str_n(text, n);
		if (f->ended || os_wait(&f->q, os_after(PATIENCE)) < 0)
			return false;
	}
}

/* A number not heard before in the line it is to be heard in: NUMBER, its letter, one it is above. */
#define NUMBER 1

/* Puts in the numbers that {a} stands for; "{b>a}" and what is unknown become NUMBER and two bytes. */
static struct str expand(char *out, const struct run *r, struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		struct str at = str_sub(s, i, s.n);
		bool above = at.n > 4 && at.p[2] == '>' && at.p[4] == '}';
		if (at.n < 3 || at.p[0] != '{' || at.p[1] < 'a' || at.p[1] > 'z' ||
			!(above || at.p[2] == '}')) {
			out[n++] = s.p[i];
			continue;
		}
		uint64_t v = r->number[at.p[1] - 'a'];
		if (v && !above) {
			n += (size_t)snprintf(out + n, 21, "%llu", (unsigned long long)v);
		} else {
			out[n++] = NUMBER;
			out[n++] = at.p[1];
			out[n++] = above ? at.p[3] : 0;
		}
		i += above ? 4 : 2;
	}
	return str_n(out, n);
}

static bool like(struct run *r, struct str pattern, struct str s);

static bool like_number(struct run *r, struct str pattern, struct str s)
{
	uint64_t v = 0;
	size_t n = 0;
	for (; n < s.n && n < 19 && s.p[n] >= '0' && s.p[n] <= '9'; n++)
		v = v * 10 + (uint64_t)(s.p[n] - '0');
	r->number[pattern.p[1] - 'a'] = v;
	return n && v && (!pattern.p[2] || v > r->number[pattern.p[2] - 'a']) &&
		like(r, str_sub(pattern, 3, pattern.n), str_sub(s, n, s.n));
}

static bool like(struct run *r, struct str pattern, struct str s)
{
	struct str head, rest;
	long number = str_chr(pattern, NUMBER), any = str_chr(pattern, '~');
	if (number >= 0 && (any < 0 || number < any)) {
		head = str_sub(pattern, 0, (size_t)number);
		return str_starts(s, head) &&
			like_number(
				r, str_sub(pattern, head.n, pattern.n), str_sub(s, head.n, s.n));
	}
	if (!str_cut(&head, &rest, pattern, '~'))
		return str_eq(head, s);
	if (!str_starts(s, head))
		return false;
	for (size_t i = head.n; i <= s.n; i++)
		if (like(r, rest, str_sub(s, i, s.n)))
			return true;
	return false;
}

static struct pair *session(struct run *r, int number, char kind)
{
	struct pair *p = r->pairs[number];
	struct str line;
	if (p)
		return p;
	p = r->pairs[number] = malloc(sizeof(*p));
	pair_init(p, &r->env, kind != '=');
	p->smtp = kind == 's';
	p->running = true;
	OK(os_spawn("imap", run_server, p));
	if (kind)
		return p;
	cr_assert(hear(&line, p));
	char login[200];
	int n = snprintf(login, sizeof(login), "L LOGIN alice %s\r\n", r->env.password);
	say(p, str_n(login, (size_t)n));
	cr_assert(hear(&line, p) && str_starts(line, STR("L OK")), "login: %.*s", STR_ARG(line));
	return p;
}

static struct str unescape(char *out, struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		char next = c == '\\' && i + 1 < s.n ? s.p[i + 1] : 'x';
		if (next == 'r' || next == 'n' || next == '0') {
			c = next == 'r' ? '\r' : next == 'n' ? '\n' : 0;
			i++;
		}
		out[n++] = c;
	}
	return str_n(out, n);
}

static bool failed(struct run *r, const char *what, struct str line, struct str got)
{
	snprintf(r->why, sizeof(r->why), "%s: %.*s\n          got: %.*s", what, STR_ARG(line),
		STR_ARG(str_sub(got, 0, 500)));
	return false;
}

static bool step(struct run *r, struct str whole)
{
	struct str line = whole, got = STR("");
	char kind = 0;
	static char room[PIPE_BYTES];
	int number = line.p[0] - '1';
	if (number < 0 || number >= SESSIONS_MAX || line.n < 3)
		return failed(r, "bad script line", whole, got);
	line = str_sub(line, 1, line.n);
	if (line.p[0] == '-' || line.p[0] == '=' || line.p[0] == 's') {
		kind = line.p[0];
		line = str_sub(line, 1, line.n);
	}
	struct pair *p = session(r, number, kind);
	char verb = line.p[0];
	line = str_sub(line, 2, line.n);
	switch (verb) {
	case '>':
		say(p, expand(room, r, line));
		say(p, STR("\r\n"));
		return true;
	case '|': say(p, unescape(room, line)); return true;
	case '<':
		if (!hear(&got, p))
			return failed(r, "nothing came", whole, got);
		return like(r, expand(room, r, line), got) || failed(r, "expected", whole, got);
	case '.':
		for (int i = 0; i < 50; i++)
			os_yield();
		got = str_n(p->to_client.p, p->to_client.n);
		return !got.n || failed(r, "more came", whole, got);
	case '*': r->env.between(&r->env); return true;
	case '!':
		return (!hear(&got, p) && p->to_client.ended) ||
			failed(r, "it goes on", whole, got);
	default: return failed(r, "bad script line", whole, got);
	}
}

static int run_script(void *arg)
{
	struct run *r = arg;
	struct str line, rest = str_of(r->script);
	env_open(&r->env);
	if (r->before)
		r->before(&r->env);
	while (rest.n) {
		str_cut(&line, &rest, rest, '\n');
		if (line.n && !step(r, line))
			return -1;
	}
	for (int i = 0; i < SESSIONS_MAX; i++) {
		if (r->pairs[i])
			pair_end(r->pairs[i]);
		free(r->pairs[i]);
	}
	env_close(&r->env);
	return 0;
}

void imap_check_in(void (*before)(struct imap_check_env *), const char *script)
{
	struct run r = { .before = before, .script = script };
	cr_assert_eq(os_run(run_script, &r), 0, "%s", r.why);
}

static int run_feed(void *arg)
{
	struct run *r = arg;
	struct pair p;
	struct buf out;
	env_open(&r->env);
	pair_init(&p, &r->env, true);
	p.server.piece = r->piece;
	p.running = true;
	OK(os_spawn("imap", run_server, &p));
	buf_init(&out, NULL);
	struct str in = str_n(r->input, r->input_bytes);
	while (p.running) {
		size_t room = PIPE_BYTES - p.to_server.n, n = in.n < room ? in.n : room;
		memcpy(p.to_server.p + p.to_server.n, in.p, n);
		p.to_server.n += n;
		in = str_sub(in, n, in.n);
		p.to_server.ended = !in.n;
		flow_wake(&p.to_server);
		os_yield();
		buf_add(&out, str_n(p.to_client.p, p.to_client.n));
		p.to_client.n = 0;
		flow_wake(&p.to_client);
	}
	buf_add(&out, str_n(p.to_client.p, p.to_client.n));
	pair_end(&p);
	env_close(&r->env);
	buf_addc(&out, 0);
	r->answer = out.p;
	return 0;
}

char *imap_check_feed(const char *input, size_t n, size_t piece)
{
	struct run r = { .input = input, .input_bytes = n, .piece = piece };
	cr_assert_eq(os_run(run_feed, &r), 0);
	return r.answer;
}
