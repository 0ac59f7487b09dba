/* SPDX-License-Identifier: ISC */
#include "services/mail/imap_query.h"
#include "services/mail/imap_envelope.h"
#include "services/mail/mailbox.h"
#include "services/mail/mime.h"

enum argument {
	NONE,
	FLAG,
	NO_FLAG,
	KEYWORD,
	NO_KEYWORD,
	FIELD, /* of the envelope */
	HEADER,
	NEEDLE,
	DATE,
	SIZE,
	SECONDS,
	MODSEQ,
	EMAILID,
	THREADID,
	NEW,
	OLD,
	NOT_KEY,
	OR_KEY,
	UIDS
};
static const struct {
	const char *name;
	enum argument argument;
	enum imap_key_op op;
	uint32_t flag; /* or field */
} keys[] = {
	{ "ALL", NONE, IMAP_KEY_AND, 0 },
	{ "ANSWERED", FLAG, 0, MAIL_ANSWERED },
	{ "BCC", FIELD, 0, IMAP_ENVELOPE_BCC },
	{ "BEFORE", DATE, IMAP_KEY_BEFORE, 0 },
	{ "BODY", NEEDLE, IMAP_KEY_BODY, 0 },
	{ "CC", FIELD, 0, IMAP_ENVELOPE_CC },
	{ "DELETED", FLAG, 0, MAIL_DELETED },
	{ "DRAFT", FLAG, 0, MAIL_DRAFT },
	{ "EMAILID", EMAILID, 0, 0 },
	{ "FLAGGED", FLAG, 0, MAIL_FLAGGED },
	{ "FROM", FIELD, 0, IMAP_ENVELOPE_FROM },
	{ "HEADER", HEADER, 0, 0 },
	{ "KEYWORD", KEYWORD, 0, 0 },
	{ "LARGER", SIZE, IMAP_KEY_LARGER, 0 },
	{ "MODSEQ", MODSEQ, 0, 0 },
	{ "NEW", NEW, 0, 0 },
	{ "NOT", NOT_KEY, 0, 0 },
	{ "OLD", OLD, 0, 0 },
	{ "OLDER", SECONDS, IMAP_KEY_OLDER, 0 },
	{ "ON", DATE, IMAP_KEY_ON, 0 },
	{ "OR", OR_KEY, 0, 0 },
	{ "RECENT", NONE, IMAP_KEY_RECENT, 0 },
	{ "SAVEDATESUPPORTED", NONE, IMAP_KEY_AND, 0 },
	{ "SAVEDBEFORE", DATE, IMAP_KEY_SAVEDBEFORE, 0 },
	{ "SAVEDON", DATE, IMAP_KEY_SAVEDON, 0 },
	{ "SAVEDSINCE", DATE, IMAP_KEY_SAVEDSINCE, 0 },
	{ "SEEN", FLAG, 0, MAIL_SEEN },
	{ "SENTBEFORE", DATE, IMAP_KEY_SENTBEFORE, 0 },
	{ "SENTON", DATE, IMAP_KEY_SENTON, 0 },
	{ "SENTSINCE", DATE, IMAP_KEY_SENTSINCE, 0 },
	{ "SINCE", DATE, IMAP_KEY_SINCE, 0 },
	{ "SMALLER", SIZE, IMAP_KEY_SMALLER, 0 },
	{ "SUBJECT", FIELD, 0, IMAP_ENVELOPE_SUBJECT },
	{ "TEXT", NEEDLE, IMAP_KEY_TEXT, 0 },
	{ "THREADID", THREADID, 0, 0 },
	{ "TO", FIELD, 0, IMAP_ENVELOPE_TO },
	{ "UID", UIDS, 0, 0 },
	{ "UNANSWERED", NO_FLAG, 0, MAIL_ANSWERED },
	{ "UNDELETED", NO_FLAG, 0, MAIL_DELETED },
	{ "UNDRAFT", NO_FLAG, 0, MAIL_DRAFT },
	{ "UNFLAGGED", NO_FLAG, 0, MAIL_FLAGGED },
	{ "UNKEYWORD", NO_KEYWORD, 0, 0 },
	{ "UNSEEN", NO_FLAG, 0, MAIL_SEEN },
	{ "YOUNGER", SECONDS, IMAP_KEY_YOUNGER, 0 },
};

static struct imap_key *parse_key(struct imap_query *q, struct imap_rd *rd, int depth);

static int op_cost(enum imap_key_op op)
{
	if (op >= IMAP_KEY_BODY)
		return 100;
	return op == IMAP_KEY_HEADER ? 20 : op >= IMAP_KEY_ENVELOPE ? 10 : 1;
}

static struct imap_key *make(struct imap_query *q, struct imap_rd *rd, enum imap_key_op op)
{
	struct imap_key *k = rd->why ? NULL : ARENA_NEW(rd->a, struct imap_key);
	if (!rd->why && (!k || ++q->keys > IMAP_QUERY_KEYS)) {
		imap_rd_fail(rd, "the search has too many keys");
		k = NULL;
	}
	if (k) {
		k->op = op;
		k->cost = op_cost(op);
	}
	return k;
}

/* Children stand in order of cost, equals as they came. */
static void adopt(struct imap_key *parent, struct imap_key *child)
{
	struct imap_key **at = &parent->child;
	if (!child)
		return;
	while (*at && (*at)->cost <= child->cost)
		at = &(*at)->next;
	child->next = *at;
	*at = child;
	parent->cost = parent->cost > child->cost ? parent->cost : child->cost;
}

static struct imap_key *negate(struct imap_query *q, struct imap_rd *rd, struct imap_key *k)
{
	struct imap_key *not = make(q, rd, IMAP_KEY_NOT);
	if (not)
		adopt(not, k);
	return not;
}

static struct imap_key *make_flag(struct imap_query *q, struct imap_rd *rd, uint32_t bit)
{
	struct imap_key *k = make(q, rd, IMAP_KEY_FLAG);
	if (k)
		k->num = bit;
	return k;
}

static struct imap_key *make_set(struct imap_query *q, struct imap_rd *rd, enum imap_key_op op)
{
	struct imap_key *k = make(q, rd, op);
	if (!k)
		return NULL;
	imap_set_parse(&k->set, rd);
	q->sets[q->set_count++] = k;
	return k;
}

static struct imap_key *make_keyword(struct imap_query *q, struct imap_rd *rd)
{
	struct imap_key *k = make(q, rd, IMAP_KEY_KEYWORD);
	imap_sp(rd);
	struct str name = imap_atom(rd);
	if (k) {
		k->text = name;
		q->sets[q->set_count++] = k;
	}
	return k;
}

static struct str folded(struct imap_rd *rd)
{
	struct str s = imap_astring(rd);
	struct buf b;
	if (s.n > IMAP_NEEDLE_MAX)
		imap_rd_fail(rd, "the string to search for is too long");
	if (rd->why)
		return STR_NONE;
	buf_init(&b, rd->a);
	mime_fold(&b, s);
	if (b.err < 0)
		imap_rd_fail(rd, "the command needs too much memory");
	return b.p ? buf_str(&b) : STR("");
}

static struct imap_key *make_header(struct imap_query *q, struct imap_rd *rd)
{
	struct imap_key *k = make(q, rd, IMAP_KEY_HEADER);
	imap_sp(rd);
	struct str field = imap_astring(rd);
	imap_sp(rd);
	struct str text = folded(rd);
	if (k) {
		k->name = field;
		k->text = text;
	}
	return k;
}

static struct imap_key *make_field(struct imap_query *q, struct imap_rd *rd, uint32_t field)
{
	struct imap_key *k = make(q, rd, IMAP_KEY_ENVELOPE);
	imap_sp(rd);
	struct str text = folded(rd);
	if (k) {
		k->num = field;
		k->text = text;
	}
	return k;
}

static struct imap_key *make_needle(struct imap_query *q, struct imap_rd *rd, enum imap_key_op op)
{
	struct imap_key *k = make(q, rd, op);
	imap_sp(rd);
	struct str text = folded(rd);
	if (q->needle_count == IMAP_NEEDLES_MAX)
		imap_rd_fail(rd, "the search has too many BODY and TEXT keys");
	if (rd->why)
		return NULL;
	k->num = (int64_t)q->needle_count;
	q->needles[q->needle_count++] = text;
	q->needle_bytes = text.n > q->needle_bytes ? text.n : q->needle_bytes;
	return k;
}

static struct imap_key *make_number(
	struct imap_query *q, struct imap_rd *rd, enum imap_key_op op, enum argument argument)
{
	struct imap_key *k = make(q, rd, op);
	imap_sp(rd);
	int64_t v = argument == DATE  ? imap_date(rd)
		: argument == SECONDS ? (int64_t)imap_nz(rd)
				      : (int64_t)imap_number64(rd);
	if (k)
		k->num = v;
	return k;
}

/* "MODSEQ 620162338" or "MODSEQ "/flags/\\draft" all 620162338": all metadata have one MODSEQ. */
static struct imap_key *make_modseq(struct imap_query *q, struct imap_rd *rd)
{
	struct imap_key *k = make(q, rd, IMAP_KEY_MODSEQ);
	imap_sp(rd);
	if (imap_peek(rd) == '"') {
		if (!str_starts(imap_string(rd), STR("/flags/")))
			imap_rd_fail(rd, "there is no such metadata item");
		imap_sp(rd);
		if (!imap_try_word(rd, "all") && !imap_try_word(rd, "priv") &&
			!imap_try_word(rd, "shared"))
			imap_rd_fail(rd, "expected all, priv or shared");
		imap_sp(rd);
	}
	int64_t v = (int64_t)imap_number64(rd);
	if (k)
		k->num = v;
	q->modseq = true;
	return k;
}

/* An objectid (RFC 8474 7). There are no threads here, so none has the one named. */
static struct imap_key *make_objectid(struct imap_query *q, struct imap_rd *rd, enum imap_key_op op)
{
	struct imap_key *k = make(q, rd, op);
	imap_sp(rd);
	struct str id = imap_astring(rd);
	if (k)
		k->text = id;
	return k;
}

/* NEW is RECENT UNSEEN, OLD is NOT RECENT. */
static struct imap_key *make_new(struct imap_query *q, struct imap_rd *rd)
{
	struct imap_key *and = make(q, rd, IMAP_KEY_AND);
	if (and) {
		adopt(and, make(q, rd, IMAP_KEY_RECENT));
		adopt(and, negate(q, rd, make_flag(q, rd, MAIL_SEEN)));
	}
	return and;
}

static struct imap_key *make_or(struct imap_query *q, struct imap_rd *rd, int depth)
{
	struct imap_key *or = make(q, rd, IMAP_KEY_OR);
	for (int i = 0; or &&i < 2; i++) {
		imap_sp(rd);
		adopt(or, parse_key(q, rd, depth + 1));
	}
	return or ;
}

static struct imap_key *parse_all(struct imap_query *q, struct imap_rd *rd, int depth)
{
	struct imap_key *and = make(q, rd, IMAP_KEY_AND);
	if (!and)
		return NULL;
	do
		adopt(and, parse_key(q, rd, depth + 1));
	while (imap_try(rd, ' '));
	return and;
}

static struct imap_key *parse_word(struct imap_query *q, struct imap_rd *rd, int depth)
{
	struct str name = imap_word(rd);
	size_t i = 0;
	while (i < ARRAY_LEN(keys) && !str_ieq(name, str_of(keys[i].name)))
		i++;
	if (i == ARRAY_LEN(keys)) {
		imap_rd_fail(rd, "there is no such search key");
		return NULL;
	}
	switch (keys[i].argument) {
	case NONE: return make(q, rd, keys[i].op);
	case FLAG: return make_flag(q, rd, keys[i].flag);
	case NO_FLAG: return negate(q, rd, make_flag(q, rd, keys[i].flag));
	case KEYWORD: return make_keyword(q, rd);
	case NO_KEYWORD: return negate(q, rd, make_keyword(q, rd));
	case FIELD: return make_field(q, rd, keys[i].flag);
	case HEADER: return make_header(q, rd);
	case NEEDLE: return make_needle(q, rd, keys[i].op);
	case DATE:
	case SIZE:
	case SECONDS: return make_number(q, rd, keys[i].op, keys[i].argument);
	case MODSEQ: return make_modseq(q, rd);
	case EMAILID: return make_objectid(q, rd, IMAP_KEY_EMAILID);
	case THREADID: return make_objectid(q, rd, IMAP_KEY_NONE);
	case NEW: return make_new(q, rd);
	case OLD: return negate(q, rd, make(q, rd, IMAP_KEY_RECENT));
	case NOT_KEY: imap_sp(rd); return negate(q, rd, parse_key(q, rd, depth + 1));
	case OR_KEY: return make_or(q, rd, depth);
	case UIDS: imap_sp(rd); return make_set(q, rd, IMAP_KEY_UID);
	}
	return NULL;
}

static struct imap_key *parse_key(struct imap_query *q, struct imap_rd *rd, int depth)
{
	int c = imap_peek(rd);
	if (depth > IMAP_QUERY_DEPTH)
		imap_rd_fail(rd, "the search is nested too deeply");
	if (rd->why)
		return NULL;
	if (c == '*' || (c >= '0' && c <= '9'))
		return make_set(q, rd, IMAP_KEY_SEQ);
	if (!imap_try(rd, '('))
		return parse_word(q, rd, depth);
	struct imap_key *k = parse_all(q, rd, depth);
	imap_expect(rd, ')');
	return k;
}

static void result_options(struct imap_query *q, struct imap_rd *rd)
{
	q->extended = true;
	imap_sp(rd);
	imap_expect(rd, '(');
	for (bool first = true; !rd->why && imap_peek(rd) != ')'; first = false) {
		if (!first)
			imap_sp(rd);
		if (imap_try_word(rd, "MIN"))
			q->options |= IMAP_RETURN_MIN;
		else if (imap_try_word(rd, "MAX"))
			q->options |= IMAP_RETURN_MAX;
		else if (imap_try_word(rd, "COUNT"))
			q->options |= IMAP_RETURN_COUNT;
		else if (imap_try_word(rd, "ALL"))
			q->options |= IMAP_RETURN_ALL;
		else
			imap_rd_fail(rd, "there is no such result option");
	}
	imap_expect(rd, ')');
	if (!q->options)
		q->options = IMAP_RETURN_ALL;
}

void imap_query_parse(struct imap_query *q, struct imap_rd *rd)
{
	*q = (struct imap_query){ 0 };
	imap_sp(rd);
	if (imap_try_word(rd, "RETURN")) {
		result_options(q, rd);
		imap_sp(rd);
	}
	if (imap_try_word(rd, "CHARSET")) {
		imap_sp(rd);
		struct str charset = imap_astring(rd);
		q->bad_charset = !rd->why && !str_ieq(charset, STR("UTF-8")) &&
			!str_ieq(charset, STR("US-ASCII"));
		imap_sp(rd);
	}
	if (q->bad_charset)
		return;
	q->root = parse_all(q, rd, 0);
	imap_end(rd);
}
