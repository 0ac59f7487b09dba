/* SPDX-License-Identifier: ISC */
/*
 * The If header (RFC 4918, 10.4):
 *	If: (["etag"] Not <urn:x>) (<token>)           of the resource that is asked for
 *	If: </path> (["etag"]) (<token>) </other> (...)
 * It holds when one of the lists does; a list, when all its conditions do. Nothing is ever locked here, so
 * the state tokens there are are the sync tokens of collections (RFC 6578, 5): any other one does not hold.
 *
 * If-Modified-Since and If-Unmodified-Since are for resources whose time of change is known, and are passed
 * over where it is not (RFC 9110, 13.1.3, 13.1.4): docs/decisions.
 */
#include "services/dav/dav_impl.h"
#include "services/dav/if.h"

static void subject_of(struct dav_if_subject *s, struct dav_request *r, const struct dav_path *p)
{
	struct dav_res res;
	struct buf etag, token;

	buf_init(&etag, &r->a);
	buf_init(&token, &r->a);
	if (p->place != DAV_RESOURCE || !dav_path_mine(r, p) || dav_res_find(&res, r, p) < 0)
		return;
	if (res.node.collection)
		dav_sync_state(&token, &res.node.oid);
	else
		dav_etag(&etag, &res.node.oid);
	*s = (struct dav_if_subject){ buf_str(&etag), buf_str(&token) };
}

/* What is elsewhere has no state that we know of. */
static void named(void *ctx, struct dav_if_subject *s, struct str tag)
{
	struct dav_request *r = ctx;
	struct dav_path path;

	if (!tag.p)
		subject_of(s, r, &r->path);
	else if (dav_path_parse(&path, &r->a, tag) == 0)
		subject_of(s, r, &path);
}

/* What stands between two brackets at the beginning of *in, which moves behind them. */
static bool bracketed(struct str *out, struct str *in, char open, char close)
{
	if (in->n == 0 || in->p[0] != open)
		return false;
	if (!str_cut(out, in, str_sub(*in, 1, in->n), close)) {
		*out = STR_NONE;
		return false;
	}
	*in = str_trim(*in);
	return true;
}

/* One "( ... )"; ERR_BAD. */
static int list_holds(bool *out, struct str *in, const struct dav_if_subject *s)
{
	struct str what;
	unsigned n = 0;

	*out = true;
	*in = str_trim(str_sub(*in, 1, in->n));
	for (; in->n && in->p[0] != ')'; n++) {
		bool negated = str_istarts(*in, STR("Not")), is;

		if (negated)
			*in = str_trim(str_sub(*in, 3, in->n));
		if (bracketed(&what, in, '<', '>'))
			is = s->token.n && str_starts(what, s->token);
		else if (bracketed(&what, in, '[', ']'))
			is = s->etag.n && str_eq(str_trim(what), s->etag);
		else
			return ERR_BAD;
		*out &= is != negated;
	}
	if (in->n == 0 || n == 0)
		return ERR_BAD;
	*in = str_trim(str_sub(*in, 1, in->n));
	return 0;
}

int dav_if_eval(bool *out, struct str in, dav_if_fn *fn, void *ctx)
{
	struct dav_if_subject s = { 0 };
	struct str tag;
	bool tagged = in.n && in.p[0] == '<', one;
	int err = in.n ? 0 : ERR_BAD;

	*out = false;
	if (!tagged)
		fn(ctx, &s, STR_NONE);
	while (in.n && err >= 0) {
		if (in.p[0] == '(') {
			err = list_holds(&one, &in, &s);
			*out |= err >= 0 && one;
		} else if (tagged && bracketed(&tag, &in, '<', '>') && in.n && in.p[0] == '(') {
			s = (struct dav_if_subject){ 0 };
			fn(ctx, &s, tag);
		} else {
			err = ERR_BAD;
		}
	}
	return err;
}

bool dav_if_etag(struct str *etag, struct str *in)
{
	bool negated = false;
	struct str what;

	while (in->n) {
		char c = in->p[0];
		if (c == '<' || c == '[') {
			if (!bracketed(&what, in, c, c == '<' ? '>' : ']'))
				return false;
			*etag = str_trim(what);
			if (c == '[' && !negated)
				return true;
			negated = false;
		} else {
			bool is = str_istarts(*in, STR("Not"));
			negated |= is;
			*in = str_sub(*in, is ? 3 : 1, in->n);
		}
	}
	return false;
}

bool dav_if_holds(struct dav_request *r)
{
	struct str in = http_get(r->x, "If");
	bool yes = true;

	return !in.p || (dav_if_eval(&yes, in, named, r) >= 0 && yes);
}

int dav_if(struct dav_request *r)
{
	struct str in = http_get(r->x, "If");
	bool yes = true;
	int err = in.p ? dav_if_eval(&yes, in, named, r) : 0;

	yes |= str_eq(r->x->method, STR("PUT")); /* asks by itself: what it refuses is kept */
	if (err < 0)
		dav_refuse(r, 400, STR_NONE, NULL, "the If header is malformed");
	else if (!yes)
		dav_refuse(r, 412, STR_NONE, NULL, "the If header does not hold");
	return err < 0 ? err : yes ? 0 : ERR_CONFLICT;
}
