/* SPDX-License-Identifier: ISC */
#include "provisioner/driver.h"
#include "services/calendar/calendar.h"
#include "services/contacts/contacts.h"
#include "services/mail/intake.h"
#include "services/mail/words.h"

static bool is_mail(struct str service)
{
	return str_eq(service, STR("mail"));
}

static const struct dav_service *dav_of(struct str service)
{
	return str_eq(service, STR("calendar"))    ? &calendar_service
		: str_eq(service, STR("contacts")) ? &contacts_service
						   : NULL;
}

const struct store_driver *prov_driver_store(struct str service)
{
	static struct store_driver driver;
	const struct dav_service *dav = dav_of(service);

	if (!dav)
		return is_mail(service) ? mail_driver() : NULL;
	dav_driver(&driver, dav); /* one disk is open at a time */
	return &driver;
}

int prov_driver_open(
	struct prov_driver *d, struct str service, struct store *s, struct id_registry *registry)
{
	int err;

	*d = (struct prov_driver){ .dav = { s, dav_of(service), registry } };
	if (d->dav.service) {
		dav_words(&d->words, &d->dav);
		dav_transfer(&d->items, &d->dav);
		d->has_words = d->has_items = true;
	}
	if (!is_mail(service))
		return 0;
	err = mail_open(&d->mail, s, id_domain(registry));
	if (err < 0)
		return err;
	mail_words(&d->words, d->mail);
	mail_transfer(&d->items, d->mail);
	d->has_words = d->has_items = true;
	return 0;
}

void prov_driver_close(struct prov_driver *d)
{
	if (d->mail)
		mail_close(d->mail);
	d->mail = NULL;
	d->has_words = d->has_items = false;
}
