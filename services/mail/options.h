/* SPDX-License-Identifier: ISC */
/* What allod.conf may say of the mail service; it comes as boot arguments. */
#ifndef SERVICES_MAIL_OPTIONS_H
#define SERVICES_MAIL_OPTIONS_H

#include "os/conf.h"

struct mail_conf {
	uint64_t message_max, connections_max;
};
extern const struct os_opt mail_conf_rows[];

#endif
