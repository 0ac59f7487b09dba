/* SPDX-License-Identifier: ISC */
/*
 * For tests/e2e/test_ical_oracle.py: when our reader says an object takes place.
 * In: "<from> <to> <bytes>\n" and the object, repeated; seconds in UTC.
 * Out: one line "start end" for each occurrence of a VEVENT, sorted, then "." or "error <code>".
 */
#include "services/calendar/ical.h"

#define CAP ((size_t)64 << 20)

static struct {
	int64_t start, end;
} list[ICAL_INSTANCES_MAX];
static size_t count;

static int keep(void *ctx, const struct ical_occurrence *x)
{
	(void)ctx;
	list[count].start = x->start;
	list[count++].end = x->end;
	return 0;
}

static int cmp(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static int one(struct arena *a, struct str bytes, const struct ical_window *w)
{
	struct ical *o;
	int err = ical_parse(&o, a, bytes);

	count = 0;
	return err < 0 ? err : ical_occurrences(o, STR("VEVENT"), w, keep, NULL);
}

int main(void)
{
	struct ical_window w;
	struct arena a;
	size_t n;

	while (scanf("%ld %ld %zu", &w.from, &w.to, &n) == 3 && getchar() == '\n') {
		char *p;
		arena_init(&a, CAP);
		p = arena_alloc(&a, n + 1);
		if (!p || fread(p, 1, n, stdin) != n)
			return 1;
		int err = one(&a, str_n(p, n), &w);
		qsort(list, count, sizeof(list[0]), cmp);
		for (size_t i = 0; i < count; i++)
			printf("%ld %ld\n", list[i].start, list[i].end);
		if (err < 0)
			printf("error %d\n", err);
		else
			puts(".");
		fflush(stdout);
		arena_free(&a);
	}
	return 0;
}
