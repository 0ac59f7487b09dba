/* SPDX-License-Identifier: ISC */
/* Live properties that PROPPATCH, MKCOL and MKCALENDAR may set. */
#include "services/dav/dav_impl.h"

static unsigned component_set(const struct xml *prop)
{
	unsigned set = 0;

	for (const struct xml *c = xml_first(prop); c; c = xml_next(c)) {
		struct str name = xml_attr(c, "name");
		for (unsigned i = 0; name.p && i < ARRAY_LEN(dav_components); i++)
			if (str_ieq(name, str_of(dav_components[i])))
				set |= 1u << i;
	}
	return set;
}

static struct str *settable(struct dav_meta *m, const struct xml *prop)
{
	if (xml_is(prop, XML_DAV, "displayname"))
		return &m->name;
	if (xml_is(prop, XML_CALDAV, "calendar-description") ||
		xml_is(prop, XML_CARDDAV, "addressbook-description"))
		return &m->description;
	if (xml_is(prop, XML_ICAL, "calendar-color"))
		return &m->color;
	if (xml_is(prop, XML_ICAL, "calendar-order"))
		return &m->order;
	if (xml_is(prop, XML_CALDAV, "calendar-timezone"))
		return &m->timezone;
	if (xml_is(prop, XML_CALDAV, "calendar-timezone-id"))
		return &m->timezone_id;
	return NULL;
}

int dav_live_set(struct dav_meta *m, struct arena *a, const struct xml *prop, bool making)
{
	struct str *at = settable(m, prop);

	if (at) {
		*at = xml_inner(a, prop);
		return 0;
	}
	if (making && xml_is(prop, XML_CALDAV, "supported-calendar-component-set")) {
		m->components = component_set(prop);
		return 0;
	}
	return dav_prop_is_live(prop) ? ERR_DENIED : ERR_NOENT;
}

int dav_live_remove(struct dav_meta *m, const struct xml *prop)
{
	struct str *at = settable(m, prop);

	if (at)
		*at = STR_NONE;
	return at ? 0 : dav_prop_is_live(prop) ? ERR_DENIED : ERR_NOENT;
}
