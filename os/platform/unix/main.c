/* SPDX-License-Identifier: ISC */
/* A service as a Linux process. Alone in its file, for programs with a main() of their own. */
#include "os/platform/unix/unix.h"

/* argv as one line of boot arguments: `disk0=/a b` becomes `disk0="/a b"`. */
static char *join(int argc, char **argv)
{
	struct buf b;

	buf_init(&b, NULL);
	for (int i = 1; i < argc; i++) {
		struct str key, value;
		bool keyed = str_cut(&key, &value, str_of(argv[i]), '=');
		bool quote = keyed && (str_chr(value, ' ') >= 0 || value.n == 0);

		if (str_chr(str_of(argv[i]), '"') >= 0)
			os_panic("argument %d holds a quotation mark", i);
		buf_add(&b, i > 1 ? STR(" ") : STR(""));
		buf_add(&b, key);
		buf_add(&b, keyed ? STR("=") : STR(""));
		buf_add(&b, quote ? STR("\"") : STR(""));
		buf_add(&b, value);
		buf_add(&b, quote ? STR("\"") : STR(""));
	}
	os_assert(b.err == 0);
	return b.p;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		unix_set_args(join(argc, argv));
	unix_catch_stop();
	os_start();
}
