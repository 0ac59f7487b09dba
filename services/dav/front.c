/* SPDX-License-Identifier: ISC */
#include "services/dav/front.h"
#include "os/conf.h"
#include "os/crypto.h"

#define CA_MAX 4096

static int open_upstream(struct dav_config *cfg, struct arena *a)
{
	const struct dav_behind *b = cfg->service->behind;
	static char host[256]; /* for ever */
	struct http_upstream_config u = { .words = b->name };
	struct str domain = id_domain(cfg->registry), pem;
	int err = os_addr_parse(&u.to, os_arg("behind"), 443);

	if (err == 0)
		err = os_unbase64(&pem, a, os_arg("behind.ca"));
	if (err < 0)
		return err_set(ERR_BAD, "boot arguments behind, behind.ca: %s", err_text(err));
	err = os_tls_client(&u.tls, pem);
	if (err < 0)
		return err;
	snprintf(host, sizeof(host), "%s.%.*s", b->name, STR_ARG(domain));
	u.host = str_of(host);
	return http_upstream_new(&cfg->upstream, &u);
}

int dav_front_open(struct dav_config *cfg)
{
	struct arena a;
	int err;

	if (!os_arg("behind").p)
		return 0;
	arena_init(&a, CA_MAX);
	err = open_upstream(cfg, &a);
	arena_free(&a);
	return err;
}
