/* SPDX-License-Identifier: ISC */
/* Dates of RFC 3501 9: date ("1-Feb-1994") and date-time (" 1-Feb-1994 21:52:25 -0800"). */
#include "os/time.h"
#include "services/mail/imap_wire.h"

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
	"Oct", "Nov", "Dec" };

/* Between `least` and `most` digits. */
static int digits(struct imap_rd *rd, int least, int most)
{
	int v = 0, n = 0;
	for (; n < most && imap_peek(rd) >= '0' && imap_peek(rd) <= '9'; n++)
		v = v * 10 + *rd->at++ - '0';
	if (n < least)
		imap_rd_fail(rd, "a date is malformed");
	return v;
}

static void day_month_year(struct os_date *d, struct imap_rd *rd)
{
	static const int days[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	d->day = digits(rd, 1, 2);
	imap_expect(rd, '-');
	if (rd->end - rd->at < 3)
		imap_rd_fail(rd, "a date is malformed");
	for (int i = 0; !rd->why && i < 12; i++)
		if (str_ieq(str_n(rd->at, 3), str_n(months[i], 3)))
			d->month = i + 1;
	if (!rd->why && !d->month)
		imap_rd_fail(rd, "a date names no month");
	if (rd->why)
		return;
	rd->at += 3;
	imap_expect(rd, '-');
	d->year = digits(rd, 4, 4);
	if (!rd->why && (d->day < 1 || d->day > days[d->month - 1] || d->year < 1))
		imap_rd_fail(rd, "there is no such day");
}

int64_t imap_date(struct imap_rd *rd)
{
	struct os_date d = { 0 };
	bool quoted = imap_try(rd, '"');
	day_month_year(&d, rd);
	if (quoted)
		imap_expect(rd, '"');
	if (rd->why)
		return 0;
	int64_t sec = os_date_unix(&d);
	return sec >= 0 ? sec / 86400 : -((-sec + 86399) / 86400);
}

int64_t imap_date_time(struct imap_rd *rd)
{
	struct os_date d = { 0 };
	imap_expect(rd, '"');
	imap_try(rd, ' ');
	day_month_year(&d, rd);
	imap_expect(rd, ' ');
	d.hour = digits(rd, 2, 2);
	imap_expect(rd, ':');
	d.min = digits(rd, 2, 2);
	imap_expect(rd, ':');
	d.sec = digits(rd, 2, 2);
	imap_expect(rd, ' ');
	bool west = imap_try(rd, '-');
	if (!west)
		imap_expect(rd, '+');
	int zone = digits(rd, 4, 4);
	imap_expect(rd, '"');
	if (!rd->why && (d.hour > 23 || d.min > 59 || d.sec > 60 || zone % 100 > 59))
		imap_rd_fail(rd, "there is no such time");
	if (rd->why)
		return 0;
	int64_t east = (zone / 100 * 60 + zone % 100) * 60;
	return os_date_unix(&d) + (west ? east : -east);
}

const char *imap_date_text(char out[static IMAP_DATE_TEXT], int64_t unix_sec)
{
	struct os_date d;
	os_date_of(&d, unix_sec);
	snprintf(out, IMAP_DATE_TEXT, "%2d-%s-%04d %02d:%02d:%02d +0000", d.day,
		months[d.month - 1], d.year, d.hour, d.min, d.sec);
	return out;
}
