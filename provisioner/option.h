/* SPDX-License-Identifier: ISC */
/*
 * What allod.conf may say of a service besides where it runs: the rows of the service's own table.
 *
 *	[service "mail"]
 *		message-max = 26214400
 *
 * Read and checked with the rest of the file, handed to the service as arguments when it starts.
 */
#ifndef PROVISIONER_OPTION_H
#define PROVISIONER_OPTION_H

#include "os/conf.h"

#define PROV_OPTIONS_MAX 8

struct prov_option {
	struct str key, value;
};
struct prov_options {
	struct prov_option v[PROV_OPTIONS_MAX];
	size_t n;
};
/* The rows of this service, ended as os/conf.h says; none for an unknown one. */
const struct os_opt *prov_option_rows(struct str service);
/* ERR_NOENT: the service has no such option; ERR_BAD: not of its type or range. Both borrowed. */
MUST_CHECK int prov_option_take(
	struct prov_options *out, struct str service, struct str key, struct str value);

#endif
