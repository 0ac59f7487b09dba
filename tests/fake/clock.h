/* SPDX-License-Identifier: ISC */
/* A store whose clock runs ahead: for what happens after days. */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include "store/store.h"

void fake_clock_ahead(struct store *s, int64_t sec);

#endif
