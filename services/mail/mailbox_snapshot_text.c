/* SPDX-License-Identifier: ISC */
/* Paths and small files of a snapshot; docs/mail-layout.md is the contract. */
#include "services/mail/mailbox_snapshot_impl.h"

#include "os/crypto.h"

/* ---- paths ---- */
void mail_snap_path_id(struct buf *out, const struct mail_id *id)
{
	os_hex(out, str_n(id->b, sizeof(id->b)));
}

void mail_snap_path_box(struct buf *out, const struct mail_id *id)
{
	mail_snap_path_id(out, id);
	buf_addz(out, "/box");
}

void mail_snap_path_leaf(struct buf *out, const struct mail_id *id, uint32_t lane, uint32_t seq)
{
	mail_snap_path_id(out, id);
	buf_fmt(out, "/%08x/%x/%x/%x/%x", lane, seq >> MAIL_TOP_SHIFT, seq >> 16 & 7,
		seq >> 12 & 15, seq >> MAIL_UIDS_SHIFT & 15);
}

/* ---- "key value" lines ---- */
static struct str value_of(struct str text, struct str key)
{
	struct str line, k, v;
	while (text.n > 0) {
		str_cut(&line, &text, text, '\n');
		if (str_cut(&k, &v, line, ' ') && str_eq(k, key))
			return v;
	}
	return STR_NONE;
}

static bool number_of(uint64_t *out, struct str text, struct str key, uint64_t max)
{
	struct str v = value_of(text, key);
	return v.n > 0 && str_u64(out, v, max) == 0;
}

void mail_snap_account_format(struct buf *out, const struct mail_snap_account *a)
{
	char hex[STORE_HEX];
	buf_fmt(out, "branch %s\nmodseq %llu\nvalidity %u\n", store_oid_hex(hex, &a->branch),
		(unsigned long long)a->modseq, a->validity);
}

bool mail_snap_account_parse(struct mail_snap_account *out, struct str text)
{
	uint64_t validity;
	if (store_oid_parse(&out->branch, value_of(text, STR("branch"))) < 0 ||
		!number_of(&out->modseq, text, STR("modseq"), INT64_MAX) ||
		!number_of(&validity, text, STR("validity"), UINT32_MAX))
		return false;
	out->validity = (uint32_t)validity;
	return true;
}

void mail_snap_box_format(struct buf *out, const struct mail_snap_box *b)
{
	char hex[STORE_HEX];
	buf_fmt(out, "uidvalidity %u\nuidnext %u\n", b->uidvalidity, b->uidnext);
	if (b->has_m)
		buf_fmt(out, "messages %s\n", store_oid_hex(hex, &b->m));
}

bool mail_snap_box_parse(struct mail_snap_box *out, struct str text)
{
	struct str m = value_of(text, STR("messages"));
	uint64_t validity, next;
	if (!number_of(&validity, text, STR("uidvalidity"), UINT32_MAX) || validity == 0 ||
		!number_of(&next, text, STR("uidnext"), UINT32_MAX) || next == 0)
		return false;
	*out = (struct mail_snap_box){
		.uidvalidity = (uint32_t)validity, .uidnext = (uint32_t)next, .has_m = m.p != NULL
	};
	return !out->has_m || store_oid_parse(&out->m, m) == 0;
}

/* ---- leaves: "seq uid" ---- */
void mail_snap_line(struct buf *out, uint32_t seq, uint32_t uid)
{
	buf_fmt(out, "%08x %u\n", seq, uid);
}

bool mail_snap_find(uint32_t *uid, struct str leaf, uint32_t seq)
{
	char want[9];
	snprintf(want, sizeof(want), "%08x", seq);
	struct str v = value_of(leaf, str_n(want, 8));
	uint64_t n;
	if (v.n == 0 || str_u64(&n, v, UINT32_MAX) < 0 || n == 0)
		return false;
	*uid = (uint32_t)n;
	return true;
}
