/* SPDX-License-Identifier: ISC */
#include "provisioner/option.h"
#include "services/dav/options.h"
#include "services/mail/options.h"

const struct os_opt *prov_option_rows(struct str service)
{
	static const struct os_opt none[] = { { 0 } };

	if (str_eq(service, STR("mail")))
		return mail_conf_rows;
	if (str_eq(service, STR("calendar")) || str_eq(service, STR("contacts")))
		return dav_conf_rows;
	return none;
}

int prov_option_take(struct prov_options *out, struct str service, struct str key, struct str value)
{
	union {
		struct mail_conf mail;
		struct dav_conf dav;
	} tried;
	int err = os_conf_set(&tried, prov_option_rows(service), NULL, key, value);

	if (err < 0)
		return err;
	for (size_t i = 0; i < out->n; i++)
		if (str_eq(out->v[i].key, key))
			return err_set(ERR_BAD, "\"%.*s\" is stated twice", STR_ARG(key));
	if (out->n == PROV_OPTIONS_MAX)
		return err_set(ERR_LIMIT, "more than %d options", PROV_OPTIONS_MAX);
	out->v[out->n++] = (struct prov_option){ key, value };
	return 0;
}
