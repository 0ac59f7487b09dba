/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target as a plain program: usage: fuzz_NAME SEED-FILE-OR-FOLDER...
 * Each seed is given whole, cut short at up to 64 places, and with up to 256 single bytes changed,
 * always the same ones. Prints how many inputs were run; crashes are the sanitizers' to report.
 */
#include "os/base.h"

#include <dirent.h>
#include <sys/stat.h>

#define SEED_MAX_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long runs;

/* From a block of exactly `n` bytes, so that ASan sees a read past the end. */
static void run_once(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		abort();
	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	runs++;
}

static void run_seed(uint8_t *p, size_t n)
{
	static const uint8_t change[] = { 0x00, 0xff, 0x80, '\r', '\n', '"', '{', '(', '<', '=' };
	uint32_t lcg = 12345;

	run_once(p, n);
	for (size_t i = 0; i < 64 && i < n; i++)
		run_once(p, n < 64 ? i : i * (n / 64));
	for (size_t i = 0; n > 0 && i < 256; i++) {
		lcg = lcg * 1103515245 + 12345;
		size_t at = (lcg >> 8) % n;
		uint8_t old = p[at];
		p[at] = change[i % sizeof(change)];
		run_once(p, n);
		p[at] = old;
	}
}

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = malloc(SEED_MAX_BYTES);
	if (!f || !p) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(2);
	}
	size_t n = fread(p, 1, SEED_MAX_BYTES, f);
	fclose(f);
	run_seed(p, n);
	free(p);
}

static void run_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char file[512];
		if (names[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
			run_file(file);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) < 0) {
			fprintf(stderr, "%s: no such seed\n", argv[i]);
			return 2;
		}
		if (S_ISDIR(st.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%lu inputs\n", runs);
	return runs > 0 ? 0 : 2;
}
