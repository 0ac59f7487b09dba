/* SPDX-License-Identifier: ISC */
#include "provisioner/driver.h"
#include "services/mail/mailbox.h"
#include "services/mail/words.h"

static bool is_mail(struct str service)
{
	return str_eq(service, STR("mail"));
}

const struct store_driver *prov_driver_store(struct str service)
{
	return is_mail(service) ? mail_driver() : NULL;
}

int prov_driver_open(struct prov_driver *d, struct str service, struct store *s, struct str domain)
{
	int err;

	*d = (struct prov_driver){ 0 };
	if (!is_mail(service))
		return 0;
	err = mail_open(&d->mail, s, domain);
	if (err < 0)
		return err;
	mail_words(&d->words, d->mail);
	d->has_words = true;
	return 0;
}

void prov_driver_close(struct prov_driver *d)
{
	if (d->mail)
		mail_close(d->mail);
	d->mail = NULL;
	d->has_words = false;
}
