/* SPDX-License-Identifier: ISC */
#include "services/mail/options.h"

const struct os_opt mail_conf_rows[] = {
	OS_OPT_U64(struct mail_conf, message_max, "message-max", 1024, 1 << 30, 50 << 20,
		"largest message, bytes"),
	OS_OPT_U64(struct mail_conf, connections_max, "connections-max", 1, 4000, 400,
		"mail connections at once"),
	{ 0 },
};
