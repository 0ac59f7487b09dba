/* SPDX-License-Identifier: ISC */
/* The rows both sides of the store's benchmark keep, and how their programs tell results. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "os/base.h"

#define MESSAGE_BYTES 4096
#define GROUP         100 /* deliveries that share a sync */

/* 4 kB of words: the same bytes for the same number, on both sides; compresses as text does. */
void rows_message(char out[static MESSAGE_BYTES], uint32_t seq);
double rows_now(void); /* seconds */
/* Prints "NAME VALUE". */
void rows_say(const char *name, double value);
/* What this process holds of its own, files mapped not counted: call it now and then. */
void rows_see_memory(void);
void rows_say_memory(void); /* the most that was seen, in kB */

/* The peer: sqlite, WAL, synchronous=FULL. */
int peer_main(int argc, char **argv);

#endif
