/* SPDX-License-Identifier: ISC */
/* The table of verbs, in the order of `allod --help`. */
#include "provisioner/verb.h"

#define VERBS(X) \
	X(init) \
	X(up) \
	X(down) \
	X(restart) \
	X(run) \
	X(install) \
	X(status) \
	X(logs) \
	X(user_add) \
	X(user_list) \
	X(user_app_password) \
	X(user_device_token) \
	X(user_passwords) \
	X(user_mobileconfig) \
	X(user_revoke) \
	X(log) \
	X(show) \
	X(diff) \
	X(restore) \
	X(verify) \
	X(sweep) \
	X(keep) \
	X(import) \
	X(export) \
	X(backup) \
	X(recover) \
	X(doctor) \
	X(completion) \
	X(man)

#define X(name) extern const struct prov_verb verb_##name;
VERBS(X)
#undef X

const struct prov_verb *const prov_verbs[] = {
#define X(name) &verb_##name,
	VERBS(X)
#undef X
		NULL,
};
