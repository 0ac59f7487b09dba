/* SPDX-License-Identifier: ISC */
#include "bench/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t next(uint64_t *seed)
{
	uint64_t x = (*seed += 0x9e3779b97f4a7c15u);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

void rows_message(char out[static MESSAGE_BYTES], uint32_t seq)
{
	static const char *const syllables[] = { "al", "be", "cor", "dan", "el", "fi", "gra", "hu",
		"in", "jo", "kel", "lu", "mar", "ne", "or", "pi", "qua", "ri", "sol", "tem", "un",
		"ver", "wa", "xi", "yo", "zu", "the", "and", "of", "to", "is", "in" };
	uint64_t seed = seq;
	int n = snprintf(out, MESSAGE_BYTES,
		"From: Sender %u <s%u@elsewhere.example>\r\nTo: alice@example.org\r\n"
		"Subject: message %u\r\nMessage-ID: <%u@elsewhere.example>\r\n\r\n",
		(unsigned)seq % 97, (unsigned)seq % 97, (unsigned)seq, (unsigned)seq);
	size_t at = (size_t)n, line = 0;

	while (at < MESSAGE_BYTES) {
		const char *word = syllables[next(&seed) % ARRAY_LEN(syllables)];
		while (*word && at < MESSAGE_BYTES)
			out[at++] = *word++;
		if (at < MESSAGE_BYTES && next(&seed) % 2)
			out[at++] = ++line % 12 ? ' ' : '\n';
	}
}

double rows_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void rows_say(const char *name, double value)
{
	printf("%s %.9g\n", name, value);
	fflush(stdout);
}

static long most_kb;

void rows_see_memory(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kb;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %ld kB", &kb) == 1 && kb > most_kb)
			most_kb = kb;
	if (f)
		fclose(f);
}

void rows_say_memory(void)
{
	rows_see_memory();
	rows_say("memory_kb", (double)most_kb);
}
