/* SPDX-License-Identifier: ISC */
#include "provisioner/say.h"
#include "os/time.h"

#include <errno.h>
#include <jansson.h>
#include <unistd.h>

static void say(const char *prefix, const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs(prefix, stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

static void complain(const char *hint, const char *fmt, va_list ap)
{
	say("allod: ", fmt, ap);
	if (hint)
		prov_hint("%s", hint);
}

int prov_fail(const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(hint, fmt, ap);
	va_end(ap);
	return PROV_FAILED;
}

int prov_usage(const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(hint, fmt, ap);
	va_end(ap);
	return PROV_USAGE;
}

void prov_hint(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("hint: ", fmt, ap);
	va_end(ap);
}

void prov_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void prov_progress(struct prov_progress *g, const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO) || (g->shown && os_now() - g->last_ns < OS_SEC / 10))
		return;
	g->last_ns = os_now();
	g->shown = true;
	fputc('\r', stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\033[K", stderr);
	fflush(stderr);
}

void prov_progress_end(struct prov_progress *g)
{
	if (g->shown)
		fputs("\r\033[K", stderr);
	g->shown = false;
}

static bool colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

const char *prov_bold(void)
{
	return colour() ? "\033[1m" : "";
}

const char *prov_plain(void)
{
	return colour() ? "\033[0m" : "";
}

void prov_print_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool c1 = c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0;

		putchar((c < ' ' && c != '\t') || c == 0x7f || c1 ? '?' : c);
		i += c1;
	}
}

int prov_print_json_line(const struct json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	int code = text && puts(text) >= 0 ? PROV_OK : prov_fail(NULL, "cannot write the answer");

	free(text);
	return code;
}

int prov_print(struct str s)
{
	if (fwrite(s.p, 1, s.n, stdout) == s.n && fflush(stdout) == 0)
		return PROV_OK;
	return prov_fail(NULL, "cannot write the answer: %s", strerror(errno));
}

const char *prov_size(char out[static 16], uint64_t bytes)
{
	static const char *const unit[] = { "B", "kB", "MB", "GB", "TB" };
	double n = (double)bytes;
	size_t i = 0;

	while (n >= 1000 && i + 1 < ARRAY_LEN(unit)) {
		n /= 1000;
		i++;
	}
	snprintf(out, 16, i == 0 || n >= 100 ? "%.0f %s" : "%.1f %s", n, unit[i]);
	return out;
}

const char *prov_quoted(struct prov *p, struct str word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/@:+=%";
	bool quote = word.n == 0 || word.p[0] == '~';
	struct buf b;

	for (size_t i = 0; i < word.n; i++)
		quote |= (unsigned char)word.p[i] < 0x80 && !strchr(plain, word.p[i]);
	buf_init(&b, &p->arena);
	if (quote)
		buf_addc(&b, '\'');
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '\'')
			buf_addz(&b, "'\\''");
		else
			buf_addc(&b, word.p[i]);
	}
	if (quote)
		buf_addc(&b, '\'');
	return b.err < 0 ? "" : b.p;
}
