/* SPDX-License-Identifier: ISC */
/*
 * Against guessing: after failures, an account and an address have to wait before their next try.
 * Success is never slowed by other people's failures from another address, and an address that
 * has logged in lately (behind user networking that is every local client) has a far larger allowance.
 *
 *	err = id_guard_delay(&wait, g, user, &peer);    ERR_DENIED: refuse unseen
 *	os_sleep(os_after(wait));                       0 for the innocent
 *	err = id_login(&who, reg, user, password);
 *	id_guard_result(g, user, &peer, err == 0);
 */
#ifndef IDENTITY_GUARD_H
#define IDENTITY_GUARD_H

#include "os/net.h"

struct id_guard;
MUST_CHECK int id_guard_open(struct id_guard **out);
/* How long to wait before this try is looked at; ERR_DENIED: refuse it unseen (too many just now).
 */
MUST_CHECK int id_guard_delay(
	os_time *wait, struct id_guard *g, struct str login, const struct os_addr *peer);
void id_guard_result(struct id_guard *g, struct str login, const struct os_addr *peer, bool good);

#endif
