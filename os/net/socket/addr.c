/* SPDX-License-Identifier: ISC */
#include "os/net/socket/socket_impl.h"

#include <errno.h>
#include <netinet/in.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

void socket_addr_from(struct os_addr *out, const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
		memcpy(out->ip, v4_prefix, sizeof(v4_prefix));
		memcpy(out->ip + 12, &in->sin_addr, 4);
		out->port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
		memcpy(out->ip, &in6->sin6_addr, 16);
		out->port = ntohs(in6->sin6_port);
	}
}

socklen_t socket_addr_to(struct sockaddr_storage *ss, const struct os_addr *a)
{
	memset(ss, 0, sizeof(*ss));
	if (memcmp(a->ip, v4_prefix, sizeof(v4_prefix)) == 0) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip + 12, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}

int socket_err(const char *what)
{
	static const struct {
		int no, err;
	} map[] = {
		{ ECONNRESET, ERR_CLOSED },
		{ EPIPE, ERR_CLOSED },
		{ ECONNREFUSED, ERR_CLOSED },
		{ ETIMEDOUT, ERR_CLOSED },
		{ EADDRINUSE, ERR_EXIST },
		{ EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },
		{ EMFILE, ERR_LIMIT },
		{ ENFILE, ERR_LIMIT },
		{ ENOBUFS, ERR_NOMEM },
		{ ENOMEM, ERR_NOMEM },
	};

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].no == errno)
			return err_set(map[i].err, "%s: %s", what, strerror(errno));
	return err_set(ERR_IO, "%s: %s", what, strerror(errno));
}
