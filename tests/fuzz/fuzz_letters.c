/* SPDX-License-Identifier: ISC */
/* Any bytes as an mbox: read to the end, each message within the limit and without a bare LF, in the order of the file. */
#include "provisioner/letters.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX 3000 /* of one message: some are over it */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void fault(void *ctx, const char *file, uint32_t line, const char *why)
{
	os_assert(file && why[0]);
	os_assert(line >= *(uint32_t *)ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct prov_letters *l;
	struct prov_letter one;
	uint32_t line = 0;
	char path[64];
	int fd = memfd_create("letters", MFD_CLOEXEC), err;

	os_assert(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (prov_letters_open(&l, path, MAX, fault, &line) == 0) {
		while ((err = prov_letters_next(&one, l)) == 0 && one.bytes.p) {
			os_assert(one.bytes.n <= MAX && one.line >= line && one.done <= one.all);
			for (size_t i = 0; i < one.bytes.n; i++)
				os_assert(one.bytes.p[i] != '\n' ||
					(i > 0 && one.bytes.p[i - 1] == '\r'));
			line = one.line;
		}
		prov_letters_close(l);
	}
	close(fd);
	return 0;
}
