/* SPDX-License-Identifier: ISC */
/* Simple case folding of UTF-8 text. */
#include "services/mail/mime_impl.h"
#include "services/mail/mime_fold_impl.h"

static uint32_t fold(uint32_t cp)
{
	size_t low = 0, high = ARRAY_LEN(mime_folds);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (cp > mime_folds[mid].last)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == ARRAY_LEN(mime_folds) || cp < mime_folds[low].first ||
		(cp - mime_folds[low].first) % mime_folds[low].step)
		return cp;
	return (uint32_t)((int32_t)cp + mime_folds[low].delta);
}

static void fold_ascii(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(p[i] + ((unsigned char)(p[i] - 'A') < 26 ? 32 : 0));
}

void mime_fold(struct buf *out, struct str utf8)
{
	size_t i = 0;
	while (i < utf8.n && out->err == 0) {
		size_t run = i, at = out->n;
		while (i < utf8.n && (unsigned char)utf8.p[i] < 0x80)
			i++;
		buf_add(out, str_sub(utf8, run, i));
		if (out->err == 0)
			fold_ascii(out->p + at, out->n - at);
		if (i == utf8.n)
			return;
		int len = mime_utf8_len(utf8.p + i, utf8.n - i);
		if (len > 0)
			mime_utf8_add(out, fold(mime_utf8_get(utf8.p + i, len)));
		else
			buf_add(out, str_sub(utf8, i, i + 1));
		i += len > 0 ? (size_t)len : 1;
	}
}
