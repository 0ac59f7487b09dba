/* SPDX-License-Identifier: ISC */
/* LIST and LSUB (RFC 3501 6.3.8, 6.3.9), extended by RFC 5258, 5819 and 6154. */
#include "services/mail/imap_glob.h"
#include "services/mail/imap_impl.h"

#define PATTERNS_MAX 64

struct list {
	struct str patterns[PATTERNS_MAX]; /* with the reference in front */
	size_t count;
	bool lsub, extended;
	bool bare;                       /* one empty pattern: asks for the delimiter */
	bool subscribed, recursive, use; /* select */
	bool tell_subscribed;            /* return */
	unsigned status;
	struct mail_info *boxes;
	size_t n;
};

/* ---- arguments ---- */
static void select_options(struct list *l, struct imap_rd *rd)
{
	l->extended = true;
	for (bool first = true; !rd->why && imap_peek(rd) != ')'; first = false) {
		if (!first)
			imap_sp(rd);
		if (imap_try_word(rd, "SUBSCRIBED"))
			l->subscribed = l->tell_subscribed = true;
		else if (imap_try_word(rd, "RECURSIVEMATCH"))
			l->recursive = true;
		else if (imap_try_word(rd, "SPECIAL-USE"))
			l->use = true;
		else if (!imap_try_word(rd, "REMOTE"))
			imap_rd_fail(rd, "there is no such selection option");
	}
	imap_expect(rd, ')');
	if (l->recursive && !l->subscribed && !l->use)
		imap_rd_fail(rd, "RECURSIVEMATCH needs another option to match");
}

static void return_options(struct list *l, struct imap_rd *rd)
{
	l->extended = true;
	if (!imap_try_word(rd, "RETURN"))
		imap_rd_fail(rd, "expected RETURN");
	imap_sp(rd);
	imap_expect(rd, '(');
	for (bool first = true; !rd->why && imap_peek(rd) != ')'; first = false) {
		if (!first)
			imap_sp(rd);
		if (imap_try_word(rd, "SUBSCRIBED")) {
			l->tell_subscribed = true;
		} else if (imap_try_word(rd, "STATUS")) {
			imap_sp(rd);
			l->status = imap_status_items(rd);
		} else if (!imap_try_word(rd, "CHILDREN") && !imap_try_word(rd, "SPECIAL-USE")) {
			imap_rd_fail(rd, "there is no such return option"); /* those two always */
		}
	}
	imap_expect(rd, ')');
}

static void add_pattern(struct list *l, struct imap_rd *rd, struct str reference)
{
	struct str p = imap_pattern(rd);
	if (l->count == PATTERNS_MAX || p.n + reference.n > 3 * MAIL_NAME_BYTES_MAX)
		imap_rd_fail(rd, "too many patterns or too long a one");
	if (rd->why)
		return;
	struct str full = arena_fmt(rd->a, "%.*s%.*s", STR_ARG(reference), STR_ARG(p));
	if (!full.p)
		imap_rd_fail(rd, "the command needs too much memory");
	else
		l->patterns[l->count++] = full;
	l->bare = l->count == 1 && !p.n;
}

static void parse(struct list *l, struct imap_rd *rd)
{
	imap_sp(rd);
	if (!l->lsub && imap_try(rd, '(')) {
		select_options(l, rd);
		imap_sp(rd);
	}
	struct str reference = imap_astring(rd);
	imap_sp(rd);
	if (!l->lsub && imap_try(rd, '(')) {
		l->extended = true;
		do
			add_pattern(l, rd, reference);
		while (imap_try(rd, ' '));
		imap_expect(rd, ')');
	} else {
		add_pattern(l, rd, reference);
	}
	if (!l->lsub && imap_try(rd, ' '))
		return_options(l, rd);
	imap_end(rd);
}

/* ---- what is listed ---- */
static bool matches(const struct list *l, struct str wire)
{
	for (size_t i = 0; i < l->count; i++)
		if (imap_glob(l->patterns[i], wire))
			return true;
	return false;
}

static bool chosen(const struct list *l, const struct mail_info *b)
{
	if (!l->subscribed && !l->use)
		return b->exists || b->has_children;
	return (!l->subscribed || b->subscribed) && (!l->use || b->use != MAIL_USE_NONE);
}

/* Is a mailbox below `b` chosen that no pattern shows by itself (RFC 5258 3.5)? */
static bool chosen_below(struct imap *c, const struct list *l, const struct mail_info *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct mail_info *k = &l->boxes[i];
		if (k->name.n <= b->name.n || k->name.p[b->name.n] != '/' ||
			!str_starts(k->name, b->name) || !chosen(l, k))
			continue;
		if (!matches(l, imap_mailbox_wire(&c->scratch, k->name)))
			return true;
	}
	return false;
}

static void put_box(struct imap *c, const struct list *l, const struct mail_info *b,
	struct str wire, bool exists, bool below)
{
	imap_put(c, l->lsub ? STR("* LSUB (") : STR("* LIST ("));
	if (!exists)
		imap_put(c, l->extended ? STR("\\NonExistent \\Noselect ") : STR("\\Noselect "));
	if (l->tell_subscribed && b->subscribed)
		imap_put(c, STR("\\Subscribed "));
	imap_put(c, b->has_children ? STR("\\HasChildren") : STR("\\HasNoChildren"));
	if (imap_use_name(b->use))
		imap_putf(c, " %s", imap_use_name(b->use));
	imap_put(c, STR(") \"/\" "));
	imap_put_name(c, wire);
	if (below)
		imap_putf(c, " (\"CHILDINFO\" (\"%s\"))",
			l->subscribed ? "SUBSCRIBED" : "SPECIAL-USE");
	imap_put(c, STR("\r\n"));
}

static int list_one(struct imap *c, const struct list *l, const struct mail_info *b)
{
	arena_reset(&c->scratch);
	struct str wire = imap_mailbox_wire(&c->scratch, b->name);
	if (!wire.p || !matches(l, wire))
		return 0;
	bool self = chosen(l, b), below = false;
	if (l->recursive)
		below = chosen_below(c, l, b);
	else if (l->lsub && !self && chosen_below(c, l, b))
		self = true; /* "foo" for "%" when only "foo/bar" is subscribed: \Noselect */
	if (!self && !below)
		return 0;
	bool exists = b->exists && !(l->lsub && !b->subscribed);
	put_box(c, l, b, wire, exists, below);
	int err = l->status && b->exists ? imap_put_status(c, b->name, l->status) : 0;
	return err == ERR_NOENT ? 0 : err; /* deleted meanwhile */
}

static void run(struct imap *c, struct imap_rd *rd, bool lsub)
{
	struct list *l = ARENA_NEW(&c->arena, struct list);
	if (!l) {
		imap_fail(c, ERR_LIMIT);
		return;
	}
	l->lsub = l->subscribed = lsub;
	parse(l, rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (!lsub && l->bare) {
		imap_put(c, STR("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		imap_ok(c, "done");
		return;
	}
	int err = mail_list(&l->boxes, &l->n, &c->arena, c->acct);
	for (size_t i = 0; err == 0 && i < l->n; i++) {
		err = list_one(c, l, &l->boxes[i]);
		if (i % 64 == 63)
			os_yield();
	}
	if (err < 0)
		imap_fail(c, err);
	else
		imap_ok(c, "done");
}

void imap_run_list(struct imap *c, struct imap_rd *rd)
{
	run(c, rd, false);
}

void imap_run_lsub(struct imap *c, struct imap_rd *rd)
{
	run(c, rd, true);
}
