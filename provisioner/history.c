/* SPDX-License-Identifier: ISC */
#include "provisioner/history.h"
#include "provisioner/diff.h"
#include "provisioner/home.h"
#include "provisioner/say.h"
#include "provisioner/when.h"

struct job {
	struct prov_history h;
	const struct prov_history_opts *opts;
	int (*run)(struct prov_history *h);
};

/* ---- whose ---- */

static void name_users(struct buf *out, const json_t *users)
{
	const json_t *one;
	size_t i;

	json_array_foreach(users, i, one)
	{
		const char *user = json_string_value(json_object_get(one, "user"));

		buf_fmt(out, "%s%s", i ? ", " : "", user ? user : "");
	}
}

static bool has_user(const json_t *users, struct str user)
{
	const json_t *one;
	size_t i;

	json_array_foreach(users, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "user"));

		if (name && str_eq(str_of(name), user))
			return true;
	}
	return false;
}

/* `estate` is the branch of the users themselves. */
static int choose(struct prov_history *h, const json_t *users, const char *asked)
{
	struct buf names;
	struct str only;

	buf_init(&names, &h->x->p->arena);
	name_users(&names, users);
	if (asked) {
		h->user = str_of(asked);
		if (has_user(users, h->user) || str_eq(h->user, STR("estate")))
			return PROV_OK;
		return prov_fail(names.n ? "`allod user list` shows them" : NULL,
			"there is no user \"%s\"; there is: %s", asked, names.p ? names.p : "none");
	}
	if (json_array_size(users) > 1)
		return prov_usage(
			"such as `--user NAME`", "whose? there are several users: %s", names.p);
	only = str_of(json_string_value(json_object_get(json_array_get(users, 0), "user")));
	h->user = only.n ? arena_dup(&h->x->p->arena, only) : h->x->e->owner;
	return PROV_OK;
}

static int in_session(struct prov_session *x)
{
	struct job *j = x->ctx;
	struct prov_history *h = &j->h;
	const char *const *opt = x->args->opt;
	json_t *users = NULL;
	int err, code;

	h->x = x;
	h->named = opt[j->opts->user] != NULL;
	h->now = os_wall_sec();
	h->raw = j->opts->raw >= 0 && opt[j->opts->raw];
	h->json = j->opts->json >= 0 && opt[j->opts->json];
	err = prov_call(&users, x->c, "GET", "/v1/users", NULL);
	if (err < 0 && err != ERR_NOENT)
		return prov_client_fail(x->c, err, "cannot list the users");
	code = choose(h, json_object_get(users, "users"), opt[j->opts->user]);
	json_decref(users);
	return code == PROV_OK ? j->run(h) : code;
}

int prov_history(struct prov *p, const struct prov_args *a, const struct prov_history_opts *opts,
	int (*run)(struct prov_history *h))
{
	struct job j = { .opts = opts, .run = run };

	return prov_with_client_ctx(p, a, a->pos[0], in_session, &j);
}

/* ---- what is asked ---- */

void prov_history_target(struct buf *out, const struct prov_history *h, const char *what)
{
	buf_fmt(out, "/v1/%s?ref=refs/heads/", what);
	prov_encode(out, h->user);
	buf_addz(out, "&path=");
	prov_encode(out, h->x->path);
	if (h->raw)
		buf_addz(out, "&raw=1");
}

static bool is_commit(struct str s)
{
	size_t digits = 0;

	if (str_starts(s, STR("refs/")) || str_chr(s, '~') >= 0)
		return true;
	while (digits < s.n && strchr("0123456789abcdefABCDEF", s.p[digits]))
		digits++;
	return digits == s.n && digits >= 4 && digits <= STORE_HEX - 1;
}

int prov_history_moment(
	struct buf *out, const struct prov_history *h, const char *name, const char *text)
{
	struct str s = str_of(text);
	struct prov_when w;

	buf_fmt(out, "&%s=", name);
	if (str_eq(s, STR("HEAD")) || str_starts(s, STR("HEAD~"))) {
		buf_addz(out, "refs/heads/");
		prov_encode(out, h->user);
		prov_encode(out, str_sub(s, 4, s.n));
		return PROV_OK;
	}
	if (is_commit(s)) {
		prov_encode(out, s);
		return PROV_OK;
	}
	if (prov_when(&w, s, h->now, &prov_zone_here) < 0)
		return prov_usage("or a commit, as `allod log` prints it", "%s", err_text(ERR_BAD));
	buf_fmt(out, "@%lld", (long long)w.last);
	return PROV_OK;
}

/* ---- how it is told ---- */

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void print_diff_line(void *ctx, char sign, struct str text)
{
	(void)ctx;
	printf(" %c", sign);
	prov_print_clean(text);
	putchar('\n');
}

static void print_file(const json_t *c)
{
	const json_t *before = json_object_get(c, "before"), *after = json_object_get(c, "after");
	const json_t *old_text = json_object_get(before, "text");
	const json_t *new_text = json_object_get(after, "text");
	const json_t *size = json_object_get(json_is_object(after) ? after : before, "size");
	char bytes[16];

	printf("\n%s%s%s ", prov_bold(), text_of(c, "change"), prov_plain());
	prov_print_clean(str_of(text_of(c, "path")));
	printf(" (%s)\n", prov_size(bytes, (uint64_t)json_integer_value(size)));
	if ((json_is_object(before) && !json_is_string(old_text)) ||
		(json_is_object(after) && !json_is_string(new_text)))
		return; /* large or no text: the size must do */
	prov_diff(str_of(json_string_value(old_text)), str_of(json_string_value(new_text)),
		print_diff_line, NULL);
}

void prov_history_print(const struct prov_history *h, const json_t *row)
{
	const json_t *date = json_object_get(row, "date");
	const char *id = text_of(row, json_object_get(row, "item") ? "item" : "message");
	char when[PROV_WHEN_TEXT];

	if (json_object_get(row, "path")) {
		print_file(row);
		return;
	}
	if (json_is_true(json_object_get(row, "more"))) {
		printf("\nand more: `allod export %s --git DIR` gives all\n", h->x->args->pos[0]);
		return;
	}
	prov_print_clean(str_of(text_of(row, "text")));
	if (json_is_integer(date))
		printf(", %s",
			prov_when_short(when, json_integer_value(date), h->now, &prov_zone_here));
	if (*id) {
		printf("  [");
		prov_print_clean(str_of(id));
		putchar(']');
	}
	putchar('\n');
}

/* How many of them have this word. */
static unsigned sharing(const json_t *all, const char *word)
{
	const json_t *one;
	unsigned n = 0;
	size_t i;

	json_array_foreach(all, i, one) n += strcmp(text_of(one, "word"), word) == 0;
	return n;
}

void prov_history_print_properties(const json_t *row)
{
	const json_t *all = json_object_get(row, "properties"), *one;
	size_t i;

	json_array_foreach(all, i, one)
	{
		const char *before = text_of(one, "before"), *after = text_of(one, "after");
		const char *word = text_of(one, "word");

		printf("    ");
		prov_print_clean(str_of(word));
		if (sharing(all, word) > 1) {
			printf(" (");
			prov_print_clean(str_of(text_of(one, "name")));
			putchar(')');
		}
		if (*text_of(one, "of")) {
			printf(" on ");
			prov_print_clean(str_of(text_of(one, "of")));
		}
		printf(": ");
		prov_print_clean(str_of(*before ? before : "none"));
		printf(" -> ");
		prov_print_clean(str_of(*after ? after : "none"));
		putchar('\n');
	}
}

const char *prov_history_when(const struct prov_history *h, const json_t *moment)
{
	const json_t *at = json_object_get(moment, "at");
	char text[PROV_WHEN_TEXT];
	struct str s;

	if (!at)
		at = json_object_get(moment, "time");
	s = arena_fmt(&h->x->p->arena, "%s, commit %.12s",
		prov_when_text(text, json_integer_value(at), &prov_zone_here),
		text_of(moment, "commit"));
	return s.p ? s.p : "";
}

void prov_history_print_restore(const struct prov_history *h, struct str what)
{
	const char *usual;

	printf("`allod");
	if (prov_home(&usual, &h->x->p->arena, NULL) < 0 || strcmp(usual, h->x->p->home) != 0)
		printf(" --home %s", prov_quoted(h->x->p, str_of(h->x->p->home)));
	printf(" restore %s", prov_quoted(h->x->p, what));
	if (h->named)
		printf(" --user %s", prov_quoted(h->x->p, h->user));
}

void prov_history_print_undo(const struct prov_history *h, const char *first, const char *last)
{
	printf("to undo: ");
	prov_history_print_restore(h, h->x->c->s->name);
	if (last)
		printf(" --undo %.12s~1..%.12s`\n", first, last);
	else
		printf(" --undo %.12s`\n", first);
}
