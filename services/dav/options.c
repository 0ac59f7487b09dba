/* SPDX-License-Identifier: ISC */
#include "services/dav/options.h"

const struct os_opt dav_conf_rows[] = {
	OS_OPT_U64(struct dav_conf, connections_max, "connections-max", 1, 4000, 200,
		"connections at once"),
	{ 0 },
};
