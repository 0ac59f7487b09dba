/* SPDX-License-Identifier: ISC */
/* Content lines: RFC 5545 3.1, RFC 6350 3.2, RFC 6868, and what clients in the field send. */
#include "services/dav/content.h"

#include <criterion/criterion.h>

static const struct content_limits limits = CONTENT_LIMITS;

static struct arena a;
static void setup(void)
{
	arena_init(&a, 8 << 20);
}
static void teardown(void)
{
	arena_free(&a);
}
TestSuite(content, .init = setup, .fini = teardown);

/* "group|name|param=value,...|value" of the only line. */
static const char *line(const char *text)
{
	struct content *root;
	struct buf b;

	if (content_parse(&root, &a, str_of(text), &limits) < 0)
		return err_text(ERR_BAD);
	if (!root->lines)
		return "(none)";
	const struct content_line *l = root->lines;
	buf_init(&b, &a);
	buf_fmt(&b, "%.*s|%.*s|", STR_ARG(l->group), STR_ARG(l->name));
	for (uint32_t i = 0; i < l->param_count; i++)
		buf_fmt(&b, "%s%.*s=%.*s", i ? "," : "", STR_ARG(l->params[i].name),
			STR_ARG(l->params[i].value));
	buf_fmt(&b, "|%.*s", STR_ARG(l->value));
	return b.p;
}

static const struct {
	const char *text, *want;
} lines[] = {
	{ "SUMMARY:Lunch\r\n", "|SUMMARY||Lunch" },
	{ "SUMMARY:Lunch", "|SUMMARY||Lunch" },
	{ "\n\nsummary:a\n\n", "|summary||a" },
	{ "DESCRIPTION:a:b;c\r\n", "|DESCRIPTION||a:b;c" },
	{ "DTSTART;TZID=Europe/Berlin:20260101T000000\r\n",
		"|DTSTART|TZID=Europe/Berlin|20260101T000000" },
	{ "ATTENDEE;CN=\"Doe; J:r, x\";ROLE=CHAIR:mailto:a@b\r\n",
		"|ATTENDEE|CN=Doe; J:r, x,ROLE=CHAIR|mailto:a@b" },
	{ "TEL;TYPE=home,\"voice\";PREF=1:1\r\n", "|TEL|TYPE=home,TYPE=voice,PREF=1|1" },
	{ "item1.EMAIL;type=INTERNET:x@y\r\n", "item1|EMAIL|type=INTERNET|x@y" },
	{ "TEL;HOME;VOICE:1\r\n", "|TEL|TYPE=HOME,TYPE=VOICE|1" }, /* vCard 2.1 */
	{ "X;:v\r\n", "|X||v" },
	{ "X;A=:v\r\n", "|X|A=|v" },
	{ "ATTENDEE;CN=a^nb^^c^'d^x:1\r\n", "|ATTENDEE|CN=a\nb^c\"d^x|1" },
	{ "SUMMARY:Lun\r\n ch with\r\n\t me\r\n", "|SUMMARY||Lunch with me" },
	{ "SUMM\r\n ARY:x\r\n", "|SUMMARY||x" },
	{ "SUMMARY:\xc3\r\n \xa9\r\n", "|SUMMARY||\xc3\xa9" }, /* folded inside a character */
	{ "NOTE;ENCODING=QUOTED-PRINTABLE:a=\r\nb=\r\nc\r\n",
		"|NOTE|ENCODING=QUOTED-PRINTABLE|a=\r\nb=\r\nc" },
	{ "X-URL:a=\r\nY:1\r\n", "|X-URL||a=" },
	{ "", "(none)" },
	{ "\xef\xbb\xbfX:1\n", "|X||1" },
	{ "SUMMARY\r\n", "line 1: no colon after the name and its parameters" },
	{ "A:1\r\n:x\r\n", "line 2: a name is missing at its start" },
	{ "A:1\r\n 2\r\nB;C=\"x:1\r\n", "line 3: a quoted parameter has no end" },
	{ "BEGIN:A\r\n", "line 1: BEGIN:A has no END" },
	{ "END:A\r\n", "line 1: END:A where nothing is open" },
	{ "BEGIN:A\r\nEND:B\r\n", "line 2: END:B where A is open" },
};

Test(content, lines)
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const char *got = line(lines[i].text);
		cr_expect_str_eq(got, lines[i].want, "%s: %s", lines[i].text, got);
	}
}

static const char calendar[] = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:vevent\r\nUID:1\r\n"
			       "SUMMARY:a\r\n b\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nEND:VALARM\r\n"
			       "X-LATE:1\r\nEND:VEVENT\r\nBEGIN:VEVENT\nUID:2\nEND:VEVENT\n"
			       "END:VCALENDAR";

/* Untouched it is written as it came; a changed line changes nothing else. */
Test(content, tree)
{
	struct content *root, *cal, *first, *second;
	struct content_line *l;
	struct buf b;

	cr_assert_eq(content_parse(&root, &a, str_of(calendar), &limits), 0);
	cal = content_child(root, STR("VCALENDAR"), NULL);
	first = content_child(cal, STR("VEVENT"), NULL);
	second = content_child(cal, STR("VEVENT"), first);
	cr_assert(cal && first && second);
	cr_expect_null(content_child(cal, STR("VEVENT"), second));
	cr_expect(content_child(first, STR("valarm"), NULL));
	l = content_get(first, STR("summary"), NULL);
	cr_assert(l);
	cr_expect(str_eq(l->value, STR("ab")));
	cr_expect_eq(l->number, 5u);
	buf_init(&b, &a);
	content_write(&b, root);
	cr_expect(str_eq(buf_str(&b), str_of(calendar)));

	l->raw = STR("SUMMARY:new\r\n");
	root->changed = cal->changed = first->changed = true;
	buf_init(&b, &a);
	content_write(&b, root);
	cr_expect_str_eq(b.p,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:vevent\r\nUID:1\r\nSUMMARY:new\r\n"
		"X-LATE:1\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nEND:VALARM\r\nEND:VEVENT\r\n"
		"BEGIN:VEVENT\nUID:2\nEND:VEVENT\nEND:VCALENDAR\r\n");
}

Test(content, limits_are_refused)
{
	struct content *root;
	struct buf b;
	struct content_limits few = {
		.bytes_max = 100, .lines_max = 3, .params_max = 2, .depth_max = 2
	};

	cr_expect_eq(content_parse(&root, &a, STR("A:1\nB:1\nC:1\nD:1\n"), &few), ERR_LIMIT);
	cr_expect_eq(content_parse(&root, &a, STR("A;B=1,2,3:1\n"), &few), ERR_LIMIT);
	cr_expect_eq(content_parse(&root, &a, STR("A;B=1,2:1\n"), &few), 0);
	cr_expect_eq(content_parse(&root, &a, STR("BEGIN:A\nBEGIN:B\nBEGIN:C\n"), &few), ERR_LIMIT);
	cr_expect_eq(content_parse(&root, &a, str_n("A:\0\n", 4), &few), ERR_BAD);
	buf_init(&b, &a);
	while (b.n <= 100)
		buf_add(&b, STR("A:1\n"));
	cr_expect_eq(content_parse(&root, &a, buf_str(&b), &few), ERR_LIMIT);
}

Test(content, text)
{
	struct str s = content_text(&a, STR("a\\nb\\\\n\\,\\;\\N\\x\\"));
	struct buf b;

	cr_expect(str_eq(s, STR("a\nb\\n,;\nx\\")), "%.*s", STR_ARG(s));
	buf_init(&b, &a);
	content_text_add(&b, STR("a\r\nb\nc\\,;"));
	cr_expect_str_eq(b.p, "a\\nb\\nc\\\\\\,\\;");
}

/* No line over 75 octets, no character cut, and unfolding gives it back. */
Test(content, folds)
{
	struct content *root;
	struct buf in, b;

	buf_init(&in, &a);
	buf_add(&in, STR("X:"));
	for (int i = 0; i < 100; i++)
		buf_fmt(&in, "%d\xf0\x9f\x98\x80\xc3\xa9", i);
	buf_init(&b, &a);
	content_fold(&b, buf_str(&in));
	for (struct str rest = buf_str(&b), one; rest.n;) {
		str_cut(&one, &rest, rest, '\n');
		cr_expect_leq(one.n, (size_t)CONTENT_FOLD + 1);
		cr_expect(one.n < 2 || ((unsigned char)one.p[1] & 0xc0) != 0x80);
	}
	cr_assert_eq(content_parse(&root, &a, buf_str(&b), &limits), 0);
	cr_expect(str_eq(root->lines->value, str_sub(buf_str(&in), 2, in.n)));
}
