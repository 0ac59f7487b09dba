/* SPDX-License-Identifier: ISC */
/* Keywords of a message: a set of IMAP atoms, equal when case-folded, kept as sorted text. */
#include "services/mail/mailbox_impl.h"

/* An atom (RFC 3501 9) that is no system flag. */
bool mail_keyword_valid(struct str keyword)
{
	if (keyword.n == 0 || keyword.n > MAIL_KEYWORD_BYTES)
		return false;
	for (size_t i = 0; i < keyword.n; i++) {
		unsigned char c = (unsigned char)keyword.p[i];
		if (c <= ' ' || c >= 0x7f || memchr("(){%*\"\\]", c, 8) != NULL)
			return false;
	}
	return true;
}

bool mail_keyword_next(struct str *word, struct str *rest)
{
	do {
		if (rest->n == 0)
			return false;
		str_cut(word, rest, *rest, ' ');
	} while (word->n == 0);
	return true;
}

static bool has_word(const struct str *words, size_t n, struct str word)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(words[i], word))
			return true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int mail_keywords_apply(struct str *out, struct arena *a, struct str old, enum mail_flag_op op,
	const struct str *words, size_t n)
{
	struct str *set = arena_alloc(a, 2 * MAIL_KEYWORDS_MAX * sizeof(*set)), word;
	size_t count = 0;
	if (set == NULL)
		return err_set(ERR_LIMIT, "mail: no room for keywords");
	while (op != MAIL_FLAG_SET && mail_keyword_next(&word, &old))
		if (count < MAIL_KEYWORDS_MAX && (op == MAIL_FLAG_ADD || !has_word(words, n, word)))
			set[count++] = word;
	for (size_t i = 0; op != MAIL_FLAG_DEL && i < n; i++) {
		if (has_word(set, count, words[i]))
			continue;
		if (count == MAIL_KEYWORDS_MAX)
			return err_set(ERR_LIMIT, "mail: more than %d keywords", MAIL_KEYWORDS_MAX);
		set[count++] = words[i];
	}
	qsort(set, count, sizeof(*set), by_bytes);
	struct buf text;
	buf_init(&text, a);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_addc(&text, ' ');
		buf_add(&text, set[i]);
	}
	*out = buf_str(&text);
	return text.err;
}

static int word_list(struct str **out, size_t *n, struct arena *a, struct str text)
{
	struct str *list = arena_alloc(a, MAIL_KEYWORDS_MAX * sizeof(*list));
	if (list == NULL)
		return err_set(ERR_LIMIT, "mail: no room for keywords");
	for (*n = 0; *n < MAIL_KEYWORDS_MAX && mail_keyword_next(&list[*n], &text);)
		++*n;
	*out = list;
	return 0;
}

int mail_keywords_merge(
	struct str *out, struct arena *a, struct str now, struct str old, struct str new)
{
	struct str *was, *is, kept;
	size_t was_n, is_n, less_n = 0, more_n = 0;
	int err = word_list(&was, &was_n, a, old);
	if (err == 0)
		err = word_list(&is, &is_n, a, new);
	if (err < 0)
		return err;
	struct str *less = arena_alloc(a, (was_n + is_n + 1) * sizeof(*less));
	if (less == NULL)
		return err_set(ERR_LIMIT, "mail: no room for keywords");
	struct str *more = less + was_n;
	for (size_t i = 0; i < was_n; i++)
		if (!has_word(is, is_n, was[i]))
			less[less_n++] = was[i];
	for (size_t i = 0; i < is_n; i++)
		if (!has_word(was, was_n, is[i]))
			more[more_n++] = is[i];
	err = mail_keywords_apply(&kept, a, now, MAIL_FLAG_DEL, less, less_n);
	return err < 0 ? err : mail_keywords_apply(out, a, kept, MAIL_FLAG_ADD, more, more_n);
}
