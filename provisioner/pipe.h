/* SPDX-License-Identifier: ISC */
/* Two streams, each the other's end, in memory: to talk to a server in the same process. */
#ifndef PROVISIONER_PIPE_H
#define PROVISIONER_PIPE_H

#include "os/net.h"

/* Closing one end is the other's orderly end of input. */
MUST_CHECK int prov_pipe(struct os_stream **a, struct os_stream **b);

#endif
