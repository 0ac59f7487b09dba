/* SPDX-License-Identifier: ISC */
/*
 * The WebDAV server that calendar and contacts share: WebDAV class 1 and 3 (RFC 4918), principals
 * (RFC 3744, 5397), extended MKCOL (RFC 5689), sync-collection (RFC 6578), and what CalDAV (RFC 4791)
 * and CardDAV (RFC 6352) have in common. What differs stands in a struct dav_service.
 *
 *	struct dav_config cfg = { .service = &calendar, .store = s, .registry = reg, .guard = guard,
 *		.tls = tls };
 *	dav_session(&cfg, stream);               one connection: TLS, HTTP; closes the stream
 *
 * /<user>.git/ is her branch as a git repository, to clone, fetch and push (sync/git.h).
 *
 * One origin: clients keep credentials by origin, so one address has to serve calendars and contacts. The
 * service in front (calendar) answers /, the principal and .well-known of both itself, and hands on what
 * stands below the home of the one behind it, once the password was found right here
 * (services/dav/front.h). Hrefs are paths, so whoever comes by either address stays there.
 *
 * What a request reads, it reads from one tree of the branch; what it writes is one commit, durable
 * before the reply leaves.
 */
#ifndef SERVICES_DAV_DAV_H
#define SERVICES_DAV_DAV_H

#include "identity/guard.h"
#include "identity/registry.h"
#include "os/http_forward.h"
#include "services/dav/tree.h"
#include "services/dav/xml.h"

#define DAV_ITEM_MAX (1u << 20) /* bytes of one item */

/* Why a request is refused: the precondition's element (RFC 4918, 16) and a sentence. */
struct dav_refusal {
	int status;
	struct str ns;
	const char *condition;   /* NULL: none is defined for it */
	const struct xml *about; /* what of the request it names, in it (supported-filter); NULL */
};

/* What is known of an item from its bytes. */
struct dav_facts {
	struct str uid;     /* borrowed from the bytes or the arena; may be empty */
	unsigned component; /* DAV_VEVENT ...; 0 where it has no meaning */
	int64_t from, to;   /* seconds in UTC that it can't reach beyond; 0, 0: not known */
};

struct dav_request;
struct dav_report { /* a row of the service's reports, ended by name == NULL */
	struct str ns;
	const char *name;
	void (*run)(struct dav_request *r, const struct xml *root);
};
struct dav_limit { /* a property of the service's collections that never changes; ended by name == NULL */
	const char *name, *value;
};
struct dav_default { /* a collection every account has */
	const char *folder, *name;
	struct dav_meta meta;
};
struct dav_config;
struct dav_behind { /* a service that may stand behind this one's address: services/dav/front.h */
	const char *name, *well_known; /* contacts, carddav */
	const char *classes;
	struct str home;
	struct str home_ns; /* of its property that names the home set */
	/* dav_front_open, http_forward: pointers, so that who has nobody behind links no TLS client. */
	int (*open)(struct dav_config *cfg);
	void (*forward)(struct http_x *x, struct http_upstream *u);
};
struct dav_service {
	const char *name;       /* calendar */
	struct str home;        /* calendars */
	const char *well_known; /* caldav */
	const char *classes;    /* in the DAV header besides 1, 3, extended-mkcol */
	enum dav_kind kind;
	struct str type;                    /* of an item: text/calendar; charset=utf-8 */
	const struct dav_default *defaults; /* ended by folder == NULL */
	/*
	 * Is this an item for such a collection? ERR_BAD with *why and a sentence, ERR_LIMIT likewise. Also
	 * fills *out. Does not BLOCK.
	 * `collection` NULL: only the facts are wanted, as far as there are any.
	 */
	int (*check)(struct dav_facts *out, struct dav_refusal *why, struct arena *a,
		const struct dav_meta *collection, struct str bytes);
	const struct dav_report *reports;
	const struct dav_limit *limits; /* in data_ns; may be NULL */
	/* The value of calendar-data or address-data, `asked` saying which part of it; the request's zone. */
	struct str data_ns;
	const char *data_name;
	int (*data)(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked,
		const void *zone);
	/* NULL: any value will do. Of a property about to be set: ERR_BAD, valid-calendar-data; ERR_UNSUPPORTED,
	 * valid-timezone (RFC 4791, 5.2.2; RFC 7809, 5.2). */
	int (*prop_check)(struct arena *a, const struct xml *prop);
	/* NULL: no choice. Puts in the place of *bytes the form that an Accept header would rather have. */
	int (*prefer)(struct str *bytes, struct str *type, struct arena *a, struct str accept);
	/* Can that part be had at all? ERR_BAD with *why. */
	int (*data_check)(struct dav_refusal *why, const struct xml *asked);
	const struct dav_behind *behind; /* NULL: none */
};

struct dav_config { /* all borrowed for ever */
	const struct dav_service *service;
	struct store *store;
	struct id_registry *registry;
	struct id_guard *guard;
	struct os_tls *tls;
	struct http_upstream *upstream; /* where service->behind is; NULL: this one stands alone */
	uint8_t secret[32];             /* dav_open's: signs sync tokens */
};
/* Reads, or makes, this endpoint's secret. BLOCKS. */
MUST_CHECK int dav_open(struct dav_config *cfg);
void dav_session(const struct dav_config *cfg, struct os_stream *raw); /* BLOCKS; closes raw */
/* The same after TLS, for tests. */
void dav_serve(const struct dav_config *cfg, struct os_stream *s); /* BLOCKS; closes s */

/* Rows of items and their UIDs; for store_open. `service` is borrowed for ever. */
void dav_driver(struct store_driver *out, const struct dav_service *service);

#endif
