/* SPDX-License-Identifier: ISC */
/* Mailbox names: UTF-8 inside, modified UTF-7 on the wire (RFC 3501 5.1.3). */
#include "services/mail/imap_impl.h"
#include "services/mail/utf7.h"

struct str imap_mailbox(struct imap_rd *rd)
{
	struct str wire = imap_astring(rd), name = STR_NONE;
	if (!rd->why && mail_utf7_decode(&name, rd->a, wire) < 0)
		imap_rd_fail(rd, "the mailbox name is not modified UTF-7 (RFC 3501 5.1.3)");
	if (name.n > 1 && name.p[name.n - 1] == '/') /* CREATE of a parent, 6.3.3 */
		name.n--;
	return name;
}

struct str imap_mailbox_wire(struct arena *a, struct str name)
{
	struct str wire;
	return mail_utf7_encode(&wire, a, name) < 0 ? STR_NONE : wire;
}

void imap_put_name(struct imap *c, struct str wire)
{
	if (imap_is_atom(wire) && !str_ieq(wire, STR("NIL")))
		imap_put(c, wire);
	else
		imap_put_word(c, wire);
}

static const char *const uses[] = { NULL, "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent",
	"\\Trash", "\\All" };

const char *imap_use_name(enum mail_use use)
{
	return (unsigned)use < ARRAY_LEN(uses) ? uses[use] : NULL;
}

bool imap_use_of(enum mail_use *out, struct str attribute)
{
	for (size_t i = 1; i < ARRAY_LEN(uses); i++)
		if (str_ieq(attribute, str_of(uses[i]))) {
			*out = (enum mail_use)i;
			return true;
		}
	return false;
}
