/* SPDX-License-Identifier: ISC */
/* What the server says: untagged pieces, tagged answers, and codes of RFC 5530. */
#include "services/mail/imap_impl.h"

#define TEXT_MAX 700

void imap_put(struct imap *c, struct str s)
{
	os_write(&c->w, s);
}

void imap_putf(struct imap *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	os_assert(n >= 0 && (size_t)n < sizeof(text));
	os_write(&c->w, str_n(text, (size_t)n));
}

void imap_put_number(struct imap *c, uint64_t v)
{
	char text[20], *p = text + sizeof(text);
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	imap_put(c, str_n(p, (size_t)(text + sizeof(text) - p)));
}

void imap_put_fetch(struct imap *c, size_t row, bool uid)
{
	imap_put(c, STR("* "));
	imap_put_number(c, row + 1);
	imap_put(c, STR(" FETCH ("));
	if (uid) {
		imap_put(c, STR("UID "));
		imap_put_number(c, c->view.rows[row].uid);
		imap_put(c, STR(" "));
	}
}

void imap_put_word(struct imap *c, struct str s)
{
	struct buf b;
	buf_init(&b, NULL);
	imap_put_string(&b, s);
	if (b.err < 0)
		c->w.err = c->w.err ? c->w.err : b.err;
	else
		os_write(&c->w, buf_str(&b));
	buf_free(&b);
}

/* resp-text is 7-bit text in one line (RFC 3501 9), whatever a name in it holds. */
static void put_text(struct imap *c, const char *head, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] >= 0x7f)
			text[i] = '?';
	imap_put(c, str_of(head));
	imap_put(c, str_n(text, len));
	imap_put(c, STR("\r\n"));
}

static void put_tagged(struct imap *c, const char *word, const char *fmt, va_list ap)
{
	imap_put(c, c->tag.n ? c->tag : STR("*"));
	put_text(c, word, fmt, ap);
}

static void news(struct imap *c)
{
	if (c->cmd)
		imap_news(c, c->uid ? IMAP_NEWS_ALL : c->cmd->news);
}

void imap_done(struct imap *c)
{
	news(c);
	imap_put(c, c->tag);
	imap_put(c, STR(" OK "));
}

void imap_ok(struct imap *c, const char *fmt, ...)
{
	va_list ap;
	news(c);
	va_start(ap, fmt);
	put_tagged(c, " OK ", fmt, ap);
	va_end(ap);
}

void imap_no(struct imap *c, const char *fmt, ...)
{
	va_list ap;
	news(c);
	va_start(ap, fmt);
	put_tagged(c, " NO ", fmt, ap);
	va_end(ap);
}

void imap_bad(struct imap *c, const char *fmt, ...)
{
	va_list ap;
	c->bad_commands++;
	va_start(ap, fmt);
	put_tagged(c, " BAD ", fmt, ap);
	va_end(ap);
}

void imap_bad_args(struct imap *c, const struct imap_rd *rd)
{
	imap_bad(c, "%s: %s", c->cmd ? c->cmd->name : "command", rd->why);
}

static const char *code_of(int err)
{
	switch (err) {
	case ERR_NOENT: return "[NONEXISTENT] ";
	case ERR_EXIST: return "[ALREADYEXISTS] ";
	case ERR_LIMIT: return "[LIMIT] ";
	case ERR_NOSPACE: return "[OVERQUOTA] ";
	case ERR_BAD:
	case ERR_UNSUPPORTED: return "[CANNOT] ";
	case ERR_DENIED: return "[NOPERM] ";
	case ERR_BUSY:
	case ERR_CONFLICT:
	case ERR_TIMEOUT: return "[INUSE] ";
	case ERR_CORRUPT: return "[CORRUPTION] ";
	case ERR_IO:
	case ERR_NOMEM: return "[UNAVAILABLE] ";
	default: return "[SERVERBUG] ";
	}
}

void imap_fail(struct imap *c, int err)
{
	char why[256];
	snprintf(why, sizeof(why), "%s", err_text(err));
	if (err == ERR_IO || err == ERR_CORRUPT || err == ERR_NOMEM || err == ERR_NOSPACE)
		os_log(OS_ERROR, "svc=imap event=error cmd=%s err=%s why=\"%s\"",
			c->cmd ? c->cmd->name : "-", err_name(err), why);
	imap_no(c, "%s%s", code_of(err), why);
}

void imap_bye(struct imap *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	put_text(c, "* BYE ", fmt, ap);
	va_end(ap);
	c->state = IMAP_LOGOUT;
}

void imap_capabilities(struct imap *c)
{
	imap_put(c, STR("IMAP4rev1 LITERAL+ SASL-IR ID ENABLE"));
	if (c->state & IMAP_NOT_AUTH) {
		if (c->s->secure)
			imap_put(c, STR(" AUTH=PLAIN AUTH=LOGIN"));
		else if (c->conf->tls)
			imap_put(c, STR(" STARTTLS LOGINDISABLED"));
		else
			imap_put(c, STR(" LOGINDISABLED"));
		return;
	}
	imap_put(c,
		STR(" IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE CREATE-SPECIAL-USE"
		    " ESEARCH WITHIN LIST-EXTENDED LIST-STATUS STATUS=SIZE MULTIAPPEND"
		    " CONDSTORE QRESYNC OBJECTID SAVEDATE"));
	imap_putf(c, " APPENDLIMIT=%llu", (unsigned long long)c->conf->append_max_bytes);
}
