/* SPDX-License-Identifier: ISC */
/* What a path names. */
#include "services/mail/restore.h"

bool mail_scope_box(const struct mail_scope *sc, struct str name)
{
	return sc->mailbox.n == 0 || str_eq(name, sc->mailbox) ||
		(!sc->message && mail_name_below(name, sc->mailbox));
}

bool mail_scope_message(const struct mail_scope *sc, uint32_t lane, uint32_t seq)
{
	return !sc->message || (sc->lane == lane && sc->seq == seq);
}

/* "1a2b3c4d.0000002f"; zeros in front of the number may be missing. */
static bool parse_identity(uint32_t *lane, uint32_t *seq, struct str s)
{
	struct str head, rest;
	return str_cut(&head, &rest, s, '.') && mail_hex32(lane, head, 8) &&
		mail_hex32(seq, rest, 1);
}

static bool last_level(struct str *parent, struct str *last, struct str path)
{
	for (size_t i = path.n; i > 0; i--) {
		if (path.p[i - 1] != '/')
			continue;
		*parent = str_sub(path, 0, i - 1);
		*last = str_sub(path, i, path.n);
		return true;
	}
	*parent = STR("");
	*last = path;
	return false;
}

static int find_box(
	struct arena *a, struct store *s, struct str name, const struct store_oid *const trees[2])
{
	struct str path;
	int err = ERR_NOENT;
	for (int i = 0; i < 2 && err == ERR_NOENT; i++)
		if (trees[i] != NULL)
			err = mail_tree_folder(&path, a, s, trees[i], name);
	return err;
}

static int find_uid(struct mail_scope *out, struct mail_account *acct, uint32_t uid)
{
	struct mail_box *b;
	int err = mail_box_open(&b, acct, out->mailbox);
	if (err < 0)
		return err;
	const struct mail_msg *msg = mail_box_find(b, uid);
	if (msg == NULL) {
		err = err_set(ERR_BAD,
			"no message has UID %u in %.*s now; one that is gone is named by lane and "
			"number, as log and diff show it",
			uid, STR_ARG(out->mailbox));
	} else {
		out->message = true;
		out->lane = msg->lane;
		out->seq = msg->seq;
	}
	mail_box_close(b);
	return err;
}

static int no_mailbox(struct str name)
{
	return err_set(ERR_NOENT, "there is no mailbox \"%.*s\", and was none then", STR_ARG(name));
}

int mail_scope_parse(struct mail_scope *out, struct arena *a, struct mail_account *acct,
	struct str path, const struct store_oid *tree, const struct store_oid *other_tree)
{
	const struct store_oid *trees[2] = { tree, other_tree };
	bool looks = tree != NULL || other_tree != NULL;
	struct str parent, last;
	uint64_t uid;
	*out = (struct mail_scope){ .mailbox = STR("") };
	while (str_ends(path, STR("/")))
		path.n--;
	if (path.n == 0)
		return 0;
	int err = mail_name_normal(&out->mailbox, a, path);
	if (err == 0)
		err = find_box(a, acct->m->s, out->mailbox, trees);
	if (err != ERR_NOENT)
		return err;
	bool below = last_level(&parent, &last, path);
	bool identity = parse_identity(&out->lane, &out->seq, last);
	bool number = looks && !identity && below && str_u64(&uid, last, UINT32_MAX) == 0;
	if (!identity && !number)
		return looks ? no_mailbox(path) : 0;
	out->mailbox = STR("");
	err = below ? mail_name_normal(&out->mailbox, a, parent) : 0;
	if (err == 0 && below && looks)
		err = find_box(a, acct->m->s, out->mailbox, trees);
	if (err < 0)
		return err == ERR_NOENT ? no_mailbox(parent) : err;
	out->message = true;
	return number ? find_uid(out, acct, (uint32_t)uid) : 0;
}
