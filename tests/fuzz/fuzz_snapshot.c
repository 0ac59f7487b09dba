/* SPDX-License-Identifier: ISC */
/* The files of a snapshot, which may come from a damaged backup. */
#include "services/mail/mailbox_snapshot_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_n(p, n);
	struct mail_snap_account account, account_again;
	struct mail_snap_box box, box_again;
	uint32_t uid;
	struct buf text;

	buf_init(&text, NULL);
	/* What was read and written is read the same again. */
	if (mail_snap_account_parse(&account, in)) {
		mail_snap_account_format(&text, &account);
		os_assert(mail_snap_account_parse(&account_again, buf_str(&text)));
		os_assert(account.modseq == account_again.modseq &&
			account.validity == account_again.validity &&
			store_oid_eq(&account.branch, &account_again.branch));
	}
	text.n = 0;
	if (mail_snap_box_parse(&box, in)) {
		os_assert(box.uidvalidity > 0 && box.uidnext > 0);
		mail_snap_box_format(&text, &box);
		os_assert(mail_snap_box_parse(&box_again, buf_str(&text)));
		os_assert(box.uidvalidity == box_again.uidvalidity &&
			box.uidnext == box_again.uidnext && box.has_m == box_again.has_m);
	}
	if (mail_snap_find(&uid, in, 0xa0))
		os_assert(uid > 0);
	buf_free(&text);
	return 0;
}
