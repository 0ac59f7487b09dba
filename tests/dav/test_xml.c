/* SPDX-License-Identifier: ISC */
/* XML in and out: namespaces, limits, what must be refused. */
#include "services/dav/xml.h"

#include <criterion/criterion.h>

static struct arena a;
static void setup(void)
{
	arena_init(&a, 64 << 20);
}
static void teardown(void)
{
	arena_free(&a);
}
TestSuite(xml, .init = setup, .fini = teardown);

static int parse(struct xml **out, struct str s, size_t step)
{
	struct xml_reader *r;
	int err = 0;

	cr_assert_eq(xml_reader_new(&r, &a), 0);
	for (size_t i = 0; i < s.n && err >= 0; i += step)
		err = xml_reader_push(r, str_sub(s, i, i + step));
	int end = xml_reader_end(out, r);
	return err < 0 ? err : end;
}

static const char request[] =
	"<?xml version='1.0'?><x:propfind xmlns:x=\"DAV:\" xmlns='urn:a'><x:prop>\n"
	" <x:getetag/><color b='1' x:c='2'>a&amp;<i>b</i>&#233;<![CDATA[<]]></color>"
	"<x:getetag/></x:prop></x:propfind>";

Test(xml, tree_whatever_the_pieces)
{
	for (size_t step = 1; step < sizeof(request); step += step < 8 ? 1 : 40) {
		struct xml *root, *prop, *tag, *color;

		cr_assert_eq(parse(&root, str_of(request), step), 0);
		cr_assert(xml_is(root, XML_DAV, "propfind"));
		prop = xml_child(root, XML_DAV, "prop");
		tag = xml_child(prop, XML_DAV, "getetag");
		cr_assert(tag && tag == xml_first(prop));
		cr_assert(xml_again(tag) && !xml_again(xml_again(tag)));
		color = xml_next(tag);
		cr_assert(xml_is(color, STR("urn:a"), "color"));
		cr_expect(str_eq(xml_inner(&a, color), STR("a&b\xc3\xa9<")));
		cr_expect(str_eq(xml_attr(color, "b"), STR("1")));
		cr_expect_null(xml_attr(color, "c").p);
		cr_expect(str_eq(xml_inner(&a, tag), STR("")));
		cr_expect_null(xml_child(NULL, XML_DAV, "prop"));
	}
}

/* A copy parses to the same tree, wherever it stands. */
Test(xml, copies)
{
	struct xml *root, *again, *color;
	struct buf b, c;

	cr_assert_eq(parse(&root, str_of(request), 1000), 0);
	color = xml_child(xml_child(root, XML_DAV, "prop"), STR("urn:a"), "color");
	buf_init(&b, &a);
	xml_copy(&b, color);
	cr_expect_str_eq(b.p,
		"<color xmlns=\"urn:a\" b=\"1\" xmlns:n1=\"DAV:\" n1:c=\"2\">a&amp;"
		"<i xmlns=\"urn:a\">b</i>\xc3\xa9&lt;</color>");
	cr_assert_eq(parse(&again, buf_str(&b), 1000), 0);
	buf_init(&c, &a);
	xml_copy(&c, again);
	cr_expect(str_eq(buf_str(&b), buf_str(&c)));
}

Test(xml, writes)
{
	struct xml *root;
	struct buf b;

	buf_init(&b, &a);
	xml_root(&b, XML_DAV, "multistatus");
	xml_leaf(&b, XML_CALDAV, "x", STR("<&>\"\r\n\x01\xff\xc3\xa9\xed\xa0\x80"));
	xml_empty(&b, STR("urn:\"o"), "y");
	xml_close(&b, XML_DAV, "multistatus");
	cr_assert_eq(parse(&root, buf_str(&b), 1000), 0, "%s", err_text(ERR_BAD));
	cr_expect(str_eq(xml_inner(&a, xml_child(root, XML_CALDAV, "x")),
		STR("<&>"
		    "\"\r\n\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")));
	cr_expect(xml_child(root, STR("urn:\"o"), "y"));
}

static const struct {
	const char *text;
	int err;
} refused[] = {
	{ "", ERR_BAD },
	{ "<a>", ERR_BAD },
	{ "<a></b>", ERR_BAD },
	{ "<a/><b/>", ERR_BAD },
	{ "<x:a/>", ERR_BAD },
	{ "<a>&lt;&foo;</a>", ERR_BAD },
	{ "<!DOCTYPE a><a/>", ERR_BAD },
	{ "<!DOCTYPE a [<!ENTITY b \"cc\">]><a>&b;</a>", ERR_BAD },
	{ "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", ERR_BAD },
	{ "<a>\xff</a>", ERR_BAD },
};

Test(xml, refused)
{
	struct xml *root;
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		cr_expect_eq(parse(&root, str_of(refused[i].text), 1), refused[i].err, "%s",
			refused[i].text);
	buf_init(&b, &a);
	for (int i = 0; i <= XML_DEPTH_MAX; i++)
		buf_add(&b, STR("<a>"));
	cr_expect_eq(parse(&root, buf_str(&b), 1000), ERR_LIMIT);
	buf_init(&b, &a);
	buf_add(&b, STR("<a"));
	for (int i = 0; i <= XML_ATTRS_MAX; i++)
		buf_fmt(&b, " a%d=''", i);
	buf_add(&b, STR("/>"));
	cr_expect_eq(parse(&root, buf_str(&b), 1000), ERR_LIMIT);
	buf_init(&b, &a);
	buf_add(&b, STR("<a>"));
	for (int i = 0; i <= XML_NODES_MAX; i++)
		buf_add(&b, STR("<b/>"));
	cr_expect_eq(parse(&root, buf_str(&b), 65536), ERR_LIMIT);
}
