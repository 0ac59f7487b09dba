/* SPDX-License-Identifier: ISC */
/*
 * A calendar's or address book's words for its history (services/control/words.h):
 *
 *	struct dav_words mine = { .store = s, .service = &calendar_service, .registry = reg };
 *	struct control_words words;
 *	dav_words(&words, &mine);                  config.words = &words
 *
 * A path is a collection, by what it is called ("Calendar") or its folder ("calendar"), and after a
 * slash one item: by its name in URLs ("calendar/lunch.ics", the suffix may be left out), its UID, or its
 * title if no other has the same. What is gone is found by the same words.
 *
 * Rows: {change, text, collection, name, ...}. `change` of an item: added, removed, changed, moved; in a
 * restore back, removed, changed, moved, kept (something newer stands in its way). With it: item
 * ("calendar/lunch.ics", what a path may be), kind (event, task, journal, contact, file), uid, title,
 * detail (when it begins; a contact's address); moved: was (item); changed: `properties`, each {name, word,
 * of?, before, after}. Of a collection: collection-made, collection-removed, collection-changed.
 */
#ifndef SERVICES_DAV_WORDS_H
#define SERVICES_DAV_WORDS_H

#include "services/control/items.h"
#include "services/dav/dav.h"

struct dav_words {
	struct store *store;
	const struct dav_service *service;
	struct id_registry *registry; /* its domain is what authors of commits are addressed at */
};
void dav_words(struct control_words *out, struct dav_words *w); /* borrowed for ever */
/* Items in and out, by the same. */
void dav_transfer(struct control_items *out, struct dav_words *w);

#endif
