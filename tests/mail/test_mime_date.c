/* SPDX-License-Identifier: ISC */
/* Dates: RFC 5322's examples, obsolete forms, what senders write, nonsense. */
#include "tests/mail/mime_check.h"

static const struct {
	const char *value;
	int64_t sec; /* from `date -d` */
	int zone_min;
} good[] = {
	{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
	{ "21 Nov 1997 09:55:06 -0600", 880127706, -360 },
	{ " Fri,\r\n 21 Nov (a comment) 1997 (another) 09:55:06 -0600 (CST)\r\n", 880127706, -360 },
	{ "Tue, 1 Jul 2003 10:52 +0200", 1057049520, 120 },
	{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },
	{ "Fri, 21 Nov 97 09:55:06 CST", 880127706, -360 },
	{ "21-Nov-1997 09:55:06 Z", 880106106, 0 },
	{ "Nov 21 1997 09:55:06", 880106106, 0 },
	{ "Fri Nov 21 09:55:06 1997", 880106106, 0 },
	{ "Fri Nov 21 09:55:06 PST 1997", 880134906, -480 },
	{ "1997-11-21T09:55:06Z", 880106106, 0 },
	{ "1997-11-21T09:55:06.123+01:00", 880102506, 60 },
	{ "Fri, 21 November 1997 9:55:6 GMT+0100", 880102506, 60 },
	{ "Mon, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
	{ "1 Jan 1970 00:00:00 +0000", 0, 0 },
	{ "31 Dec 1969 23:59:59 +0000", -1, 0 },
	{ "29 Feb 2000 00:00:00 +0000", 951782400, 0 },
	{ "1 Mar 1900 00:00:00 +0000", -2203891200, 0 },
	{ "31 Dec 2016 23:59:60 +0000", 1483228800, 0 },
	{ "1 Jan 49 00:00:00 +0000", 2493072000, 0 },
	{ "1 Jan 50 00:00:00 +0000", -631152000, 0 },
	{ "1 Jan 103 00:00:00 +0000", 1041379200, 0 },
	{ "1 Jan 2003 00:00:00 +9999", 1041379200, 0 },
	{ "1 Jan 2003", 1041379200, 0 },
};

static const char *const bad[] = { "", "nonsense", "32 Jan 2003 00:00:00 +0000",
	"29 Feb 2001 00:00:00 +0000", "1 Foo 2003 00:00:00 +0000", "1 Jan 2003 24:00:00 +0000",
	"1 Jan 2003 00:60:00 +0000", "1 Jan 2003 00:00:61 +0000", "0 Jan 2003 00:00:00 +0000",
	"Jan 2003", "1 Jan", "1 Jan 12345678901234567890", "2003-13-01", "2003-00-10", "(",
	"1 Jan -1", "1 Jan 2003 99999999999:0:0" };

Test(mime_date, readable)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t sec = -99;
		int zone = -99, err = mime_date(&sec, &zone, str_of(good[i].value));
		cr_expect(err == 0 && sec == good[i].sec && zone == good[i].zone_min,
			"%s: %d, %lld, %d", good[i].value, err, (long long)sec, zone);
	}
}

Test(mime_date, refused)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t sec;
		int zone;
		cr_expect_eq(mime_date(&sec, &zone, str_of(bad[i])), ERR_BAD, "%s", bad[i]);
	}
}
