/* SPDX-License-Identifier: ISC */
/*
 * nm -n IMAGE | symbols >OUT.S: the functions of a linked image as a table for its own backtraces
 * (os/platform/virt/trap.c). Runs while building, on the host.
 *
 * The table: how many pairs; the pairs; then for each function the step from the one before
 * (ULEB128), its name, 0; at the end 0. A byte of a name from 128 on stands for the two bytes of
 * that pair, which may be pairs again: the commonest pair of neighbours is replaced over and over.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS_MAX 65536
#define NAMES_MAX     (4u << 20)
#define LINE_BYTES    1024
#define PAIRS_MAX     127
#define PAIR_WORTH    4 /* a pair costs two bytes itself */

static uint64_t address[FUNCTIONS_MAX];
static unsigned char names[NAMES_MAX]; /* each ended by 0 */
static size_t functions, bytes;
static unsigned char pairs[PAIRS_MAX][2];
static unsigned pair_count;

static int read_names(void)
{
	char line[LINE_BYTES];
	uint64_t last = 0;

	while (fgets(line, sizeof(line), stdin)) {
		char *name = NULL, *kind, *end;
		uint64_t at = strtoull(line, &end, 16);
		kind = *end == ' ' ? end + 1 : NULL;
		name = kind && kind[1] == ' ' ? kind + 2 : NULL;
		if (!name || !strchr("tTwW", *kind) || *name == '.' || at == last)
			continue;
		size_t n = strcspn(name, "\n");
		if (functions == FUNCTIONS_MAX || n + 1 > NAMES_MAX - bytes)
			return -1;
		for (size_t i = 0; i < n; i++)
			names[bytes++] = (unsigned char)name[i] & 127;
		names[bytes++] = 0;
		address[functions++] = last = at;
	}
	return functions ? 0 : -1;
}

/* Replace the commonest pair; 0 when none is worth it any more. */
static int replace_pair(void)
{
	static uint32_t count[65536];
	uint32_t best = 0;
	size_t to = 0;

	memset(count, 0, sizeof(count));
	for (size_t i = 0; i + 1 < bytes; i++)
		if (names[i] && names[i + 1])
			count[names[i] << 8 | names[i + 1]]++;
	for (uint32_t i = 1; i < 65536; i++)
		if (count[i] > count[best])
			best = i;
	if (count[best] < PAIR_WORTH || pair_count == PAIRS_MAX)
		return 0;
	pairs[pair_count][0] = (unsigned char)(best >> 8);
	pairs[pair_count][1] = (unsigned char)best;
	for (size_t i = 0; i < bytes; i++) {
		if (i + 1 < bytes && (uint32_t)(names[i] << 8 | names[i + 1]) == best) {
			names[to++] = (unsigned char)(128 + pair_count);
			i++;
		} else {
			names[to++] = names[i];
		}
	}
	bytes = to;
	pair_count++;
	return 1;
}

static void write_table(void)
{
	const unsigned char *name = names;

	printf("\t.section .symbols, \"a\"\n\t.globl symbols\nsymbols:\n\t.byte %u\n", pair_count);
	for (unsigned i = 0; i < pair_count; i++)
		printf("\t.byte %u, %u\n", pairs[i][0], pairs[i][1]);
	for (size_t i = 0; i < functions; i++) {
		printf("\t.uleb128 %llu\n\t.byte ",
			(unsigned long long)(address[i] - (i ? address[i - 1] : 0)));
		for (; *name; name++)
			printf("%u,", *name);
		printf("0\n");
		name++;
	}
	printf("\t.byte 0\n\t.section .note.GNU-stack, \"\", @progbits\n");
}

int main(void)
{
	if (read_names() < 0) {
		fprintf(stderr, "symbols: no functions, or too many\n");
		return 1;
	}
	while (replace_pair())
		;
	write_table();
	return fflush(stdout) || ferror(stdout);
}
