/* SPDX-License-Identifier: ISC */
/*
 * What a browser is shown: what this is and how to connect, nothing to change and nothing that runs. At /
 * also without a password, and then it names nobody; everywhere else the browser is asked for one, as a
 * client is.
 */
#include "services/dav/front.h"
#include "services/dav/dav_impl.h"

static void para(struct buf *b, const char *name, const char *text)
{
	buf_fmt(b, "<dt>%s</dt><dd>%s</dd>\n", name, text);
}

/* Every client is given the same address; where it asks for what. */
static void how(struct buf *b, const struct dav_service *s, bool both)
{
	bool calendar = s->kind == DAV_CALENDAR;

	buf_addz(b, "<h2>How to connect</h2>\n<dl>\n");
	if (calendar)
		para(b, "Thunderbird, calendar", "New Calendar, On the Network, this address");
	if (!calendar || both)
		para(b, "Thunderbird, contacts",
			"New Address Book, Add CardDAV Address Book, this address");
	para(b, "DAVx\xe2\x81\xb5 (Android)", "Login with URL and user name: this address");
	para(b, "iPhone, iPad, Mac",
		"the file that <code>allod user mobileconfig USER</code> writes sets up "
		"everything");
	para(b, "Evolution, GNOME", "Collection Account (or WebDAV account): this address");
	para(b, "vdirsyncer", "<code>url</code>: this address");
	buf_addz(b, "</dl>\n");
}

static void body(struct buf *b, struct dav_request *r, struct dav_res *res)
{
	const struct dav_service *s = r->cfg->service;
	const struct dav_behind *behind = dav_behind(r->cfg);
	struct str host = http_get(r->x, "Host");

	buf_fmt(b, "<h1>Allod: %s%s%s</h1>\n<p>", s->name, behind ? " and " : "",
		behind ? behind->name : "");
	if (res && res->path.place == DAV_RESOURCE && res->path.n) {
		struct str name = dav_res_meta(res, r)->name;

		buf_addz(b, "Here is \xe2\x80\x9c");
		xml_text(b, name.n ? name : res->path.segs[res->path.n - 1]);
		buf_addz(b, "\xe2\x80\x9d of ");
		xml_text(b, r->user);
		buf_addz(b, ". ");
	} else if (res) {
		buf_addz(b, "Here is what belongs to ");
		xml_text(b, r->user);
		buf_addz(b, ". ");
	}
	buf_fmt(b, "This server keeps %s%s, for apps to show and change. ",
		s->kind == DAV_CALENDAR ? "calendars and tasks (CalDAV)"
					: "address books (CardDAV)",
		behind ? " and address books (CardDAV)" : "");
	buf_addz(b,
		"Give yours this address, your user name and an app password, which <code>allod "
		"user app-password USER --client NAME</code> "
		"makes.</p>\n<p class=a>");
	buf_addz(b, r->x->secure ? "https://" : "http://");
	xml_text(b, host.n ? host : STR("localhost"));
	buf_addz(b, "/</p>\n");
	how(b, s, behind != NULL);
}

void dav_page(struct dav_request *r, struct dav_res *res)
{
	struct buf b;

	buf_init(&b, &r->a);
	buf_addz(&b,
		"<!DOCTYPE html>\n<html lang=en><meta charset=utf-8>"
		"<meta name=viewport content=\"width=device-width\"><title>Allod</title>\n"
		"<style>body{font:1rem/1.5 sans-serif;max-width:40rem;margin:2rem auto;"
		"padding:0 1rem}.a{font:1.2rem monospace}dt{font-weight:bold}</style>\n");
	body(&b, r, res);
	http_header(r->x, "Content-Type", STR("text/html; charset=utf-8"));
	http_header(r->x, "Content-Security-Policy",
		STR("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"));
	http_header(r->x, "Cache-Control", STR("no-cache"));
	if (b.err < 0)
		http_reply_text(r->x, 200, "Allod: this address is for apps.\n");
	else
		http_reply(r->x, 200, buf_str(&b));
}

bool dav_welcome(struct dav_request *r)
{
	bool reads = str_eq(r->x->method, STR("GET")) || str_eq(r->x->method, STR("HEAD"));

	if (r->path.place != DAV_ROOT || !reads || http_get(r->x, "Authorization").p)
		return false;
	dav_page(r, NULL);
	return true;
}
