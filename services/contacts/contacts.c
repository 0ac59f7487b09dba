/* SPDX-License-Identifier: ISC */
#include "services/contacts/contacts_impl.h"
#include "services/dav/content.h"

static const struct dav_default defaults[] = {
	{ "contacts", "Contacts", { .kind = DAV_ADDRESSBOOK } },
	{ 0 },
};

static int refuse(struct dav_refusal *why, const char *condition)
{
	*why = (struct dav_refusal){ 403, XML_CARDDAV, condition, NULL };
	return ERR_BAD;
}

/* One vCard of a version there is (RFC 6352, 5.1); one that says none is kept as well. */
static int check(struct dav_facts *out, struct dav_refusal *why, struct arena *a,
	const struct dav_meta *collection, struct str bytes)
{
	static const char *const versions[] = { "4.0", "3.0", "2.1" };
	struct content_limits limits = CONTENT_LIMITS;
	struct content_line *uid, *version;
	struct content *root, *card;
	bool known;
	int err = content_parse(&root, a, bytes, &limits);

	(void)collection;
	if (err < 0) {
		(void)refuse(why, "valid-address-data");
		return err;
	}
	card = content_child(root, STR("VCARD"), NULL);
	if (!card || root->lines || root->parts != card || card->next)
		return err_set(refuse(why, "valid-address-data"), "one vCard is wanted, no more");
	version = content_get(card, STR("VERSION"), NULL);
	known = !version;
	for (size_t i = 0; version && i < ARRAY_LEN(versions); i++)
		known |= str_eq(str_trim(version->value), str_of(versions[i]));
	if (!known)
		return err_set(refuse(why, "supported-address-data"),
			"its VERSION is none of 2.1, 3.0 and 4.0");
	uid = content_get(card, STR("UID"), NULL);
	*out = (struct dav_facts){ .uid = uid ? str_trim(uid->value) : STR("") };
	return 0;
}

static const struct dav_report reports[] = {
	{ { "urn:ietf:params:xml:ns:carddav", 30 }, "addressbook-query", card_query },
	{ { 0 }, NULL, NULL },
};

const struct dav_service contacts_service = {
	.name = "contacts",
	.home = { "contacts", 8 },
	.well_known = "carddav",
	.classes = "addressbook",
	.kind = DAV_ADDRESSBOOK,
	.type = { "text/vcard; charset=utf-8", 25 },
	.defaults = defaults,
	.check = check,
	.reports = reports,
	.data_ns = { "urn:ietf:params:xml:ns:carddav", 30 },
	.data_name = "address-data",
	.data = card_data,
	.data_check = card_data_check,
	.prefer = card_prefer,
};
