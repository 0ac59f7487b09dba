/* SPDX-License-Identifier: ISC */
#include "services/dav/match.h"
#include "services/dav/match_impl.h"

enum collation { OCTET, ASCII, UNICODE };

static int collation_of(enum collation *out, const struct xml *match)
{
	struct str name = xml_attr(match, "collation");

	*out = str_eq(match->ns, XML_CALDAV) ? ASCII : UNICODE;
	if (!name.p || str_ieq(name, STR("default")))
		return 0;
	if (str_ieq(name, STR("i;octet")))
		*out = OCTET;
	else if (str_ieq(name, STR("i;ascii-casemap")))
		*out = ASCII;
	else if (str_ieq(name, STR("i;unicode-casemap")))
		*out = UNICODE;
	else
		return err_set(ERR_UNSUPPORTED, "no collation \"%.*s\" here", STR_ARG(name));
	return 0;
}

int dav_collations_known(const struct xml *top)
{
	enum collation c;
	int err = 0;

	for (const struct xml *x = xml_first(top); x && err >= 0; x = xml_next(x)) {
		if (str_eq(x->name, STR("text-match")))
			err = collation_of(&c, x);
		else
			err = dav_collations_known(x);
	}
	return err;
}

static struct str folded(struct arena *a, struct str s, enum collation how)
{
	struct buf b;

	if (how == OCTET)
		return s;
	if (how == UNICODE)
		return match_casemap(a, s);
	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++)
		buf_addc(&b, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 32) : s.p[i]);
	return b.err < 0 ? s : buf_str(&b);
}

bool dav_text_match(struct arena *a, struct str value, const struct xml *match)
{
	struct str type = xml_attr(match, "match-type"), not = xml_attr(match, "negate-condition");
	struct str want = xml_inner(a, match);
	enum collation how;
	bool yes;

	if (collation_of(&how, match) < 0)
		return false;
	value = folded(a, value, how);
	want = folded(a, want, how);
	if (str_eq(type, STR("equals")))
		yes = str_eq(value, want);
	else if (str_eq(type, STR("starts-with")))
		yes = str_starts(value, want);
	else if (str_eq(type, STR("ends-with")))
		yes = str_ends(value, want);
	else
		yes = str_find(value, want) >= 0;
	return yes != str_eq(not, STR("yes"));
}

static bool param_matches(struct arena *a, const struct content_line *l, const struct xml *filter)
{
	struct str name = xml_attr(filter, "name");
	const struct xml *match = xml_child(filter, filter->ns, "text-match");
	bool there = false;

	for (uint32_t i = 0; name.p && i < l->param_count; i++) {
		if (!str_ieq(l->params[i].name, name))
			continue;
		there = true;
		if (match && dav_text_match(a, l->params[i].value, match))
			return true;
	}
	if (xml_child(filter, filter->ns, "is-not-defined"))
		return !there;
	return there && !match;
}

bool dav_params_match(
	struct arena *a, const struct content_line *l, const struct xml *prop_filter, bool any)
{
	const struct xml *p = xml_child(prop_filter, prop_filter->ns, "param-filter");

	if (!p)
		return !any;
	for (; p; p = xml_again(p))
		if (param_matches(a, l, p) == any)
			return any;
	return !any;
}
