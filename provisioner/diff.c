/* SPDX-License-Identifier: ISC */
#include "provisioner/diff.h"

struct side {
	struct str lines[PROV_DIFF_LINES];
	size_t n;
	bool over; /* it has more */
};

static struct str next_line(struct str *rest)
{
	struct str line;

	str_cut(&line, rest, *rest, '\n');
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static void split(struct side *s, struct str text)
{
	s->n = 0;
	while (text.n && s->n < PROV_DIFF_LINES)
		s->lines[s->n++] = next_line(&text);
	s->over = text.n > 0;
}

static void all_lines(struct str text, char sign, prov_diff_fn *fn, void *ctx)
{
	while (text.n)
		fn(ctx, sign, next_line(&text));
}

/* Longest common subsequence, the plain way: the texts are small. */
void prov_diff(struct str before, struct str after, prov_diff_fn *fn, void *ctx)
{
	static struct side a, b;
	static uint8_t common[PROV_DIFF_LINES + 1][PROV_DIFF_LINES + 1];
	size_t i = 0, j = 0;

	split(&a, before);
	split(&b, after);
	if (a.over || b.over) {
		all_lines(before, '-', fn, ctx);
		all_lines(after, '+', fn, ctx);
		return;
	}
	memset(common, 0, sizeof(common));
	for (size_t x = a.n; x-- > 0;)
		for (size_t y = b.n; y-- > 0;)
			common[x][y] = str_eq(a.lines[x], b.lines[y])
				? (uint8_t)(common[x + 1][y + 1] + 1)
				: common[x + 1][y] > common[x][y + 1] ? common[x + 1][y]
								      : common[x][y + 1];
	while (i < a.n || j < b.n) {
		if (i < a.n && j < b.n && str_eq(a.lines[i], b.lines[j])) {
			i++;
			j++;
		} else if (i < a.n && (j == b.n || common[i + 1][j] >= common[i][j + 1])) {
			fn(ctx, '-', a.lines[i++]);
		} else {
			fn(ctx, '+', b.lines[j++]);
		}
	}
}
