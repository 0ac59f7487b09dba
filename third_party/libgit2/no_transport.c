/* SPDX-License-Identifier: ISC */
/* In place of libgit2's transports: remotes can be named, not reached. sync/ speaks to other machines. */
#include "common.h"
#include "git2/sys/transport.h"
#include "git2/transport.h"

bool git_http__expect_continue = false;
bool git_smart__ofs_delta_enabled = true;

int git_transport_new(git_transport **out, git_remote *owner, const char *url);

int git_transport_new(git_transport **out, git_remote *owner, const char *url)
{
	(void)owner;
	*out = NULL;
	git_error_set(GIT_ERROR_NET, "this build has no transport for %s", url);
	return GIT_ENOTSUPPORTED;
}
