/* SPDX-License-Identifier: ISC */
/* Where a service begins. Alone in its file: host programs have no os_main. */
#include "os/crypto.h"
#include "os/fiber_impl.h"
#include "os/log.h"
#include "os/main.h"
#include "os/platform.h"

static int first(void *arg)
{
	(void)arg;
	return os_main();
}

void os_start(void)
{
	int code;

	if (os_crypto_init() < 0) {
		os_log(OS_ERROR, "event=refused why=\"%s\"", err_text(ERR_UNSUPPORTED));
		plat_exit(PLAT_EXIT_CONFIG);
	}
	code = os_sched_run(first, NULL, OS_STACK_BYTES);
	plat_exit(code < 0 ? PLAT_EXIT_CRASH : code);
}
