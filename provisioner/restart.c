/* SPDX-License-Identifier: ISC */
#include "provisioner/restart.h"
#include "os/platform.h"

#include <sys/wait.h>

static enum prov_end code_means(int code, const char **words)
{
	if (code == 0) {
		*words = "ended";
		return PROV_END_CLEAN;
	}
	if (code < PLAT_EXIT_CRASH) {
		*words = "refused its configuration";
		return PROV_END_CONFIG;
	}
	*words = "crashed";
	return PROV_END_CRASH;
}

enum prov_end prov_end_of(enum prov_target target, int status, bool reset, const char **words)
{
	int code;

	if (!WIFEXITED(status)) {
		*words = "was killed";
		return PROV_END_CRASH;
	}
	if (reset) {
		*words = "crashed by a triple fault";
		return PROV_END_CRASH;
	}
	code = WEXITSTATUS(status);
	if (target == PROV_UNIX || code == 0)
		return code_means(code, words);
	if (code == 1) {
		*words = "could not be started by QEMU";
		return PROV_END_REFUSED;
	}
	if (code & 1)
		return code_means(code >> 1, words);
	*words = "ended with QEMU";
	return PROV_END_CRASH;
}

os_time prov_backoff_after(struct prov_backoff *b, os_time ran, bool served)
{
	os_time wait, most = served ? PROV_BACKOFF_SERVED_NS : PROV_BACKOFF_MOST_NS;

	if (ran >= PROV_HEALTHY_NS || b->next == 0)
		b->next = PROV_BACKOFF_LEAST_NS;
	wait = b->next < most ? b->next : most;
	b->next = wait * 2 < most ? wait * 2 : most;
	return wait;
}
