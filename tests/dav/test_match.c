/* SPDX-License-Identifier: ISC */
/* i;unicode-casemap (RFC 5051). */
#include "services/dav/match_impl.h"

#include <criterion/criterion.h>

/*
 * What a telephone writes in one character and a laptop in two is one text; case counts for none of the alphabets that have it.
 * Catches a table that is off by one, and marks put back in the wrong order.
 */
Test(match, casemap)
{
	static const char *const same[][2] = {
		{ "stra\303\237e", "STRA\303\237E" },
		{ "J\303\266rg", "jo\314\210RG" },          /* ö, o and diaeresis */
		{ "\303\211", "e\314\201" },                /* É */
		{ "\303\276\303\277", "\303\236\305\270" }, /* þ ÿ */
		{ "\305\241\305\276\304\215", "S\314\214Z\314\214C\314\214" },
		{ "\304\261", "I" }, /* dotless i is the small letter of I */
		{ "\305\277", "S" }, /* long s */
		{ "\316\254\317\214", "\316\221\314\201\316\237\314\201" }, /* ά ό */
		{ "\317\203\317\202", "\316\243\316\243" },                 /* both small sigmas */
		{ "\302\265", "\316\274" },                                 /* micro sign, mu */
		{ "\341\272\245", "\341\272\244" },                         /* ấ: its cases alone */
		{ "\316\220", "\316\231\314\210\314\201" }, /* ΐ: two marks, in order */
		{ "\304\260", "I\314\207" },                /* I with a dot */
		{ "\305\276", "z\314\214" },                /* the last row of a run */
		{ "\320\271\321\221", "\320\230\314\206\320\225\314\210" }, /* й ё */
		{ "\321\236\322\221", "\320\243\314\206\322\220" },         /* ў ґ */
		{ "\346\274\242\360\237\230\200", "\346\274\242\360\237\230\200" },
		{ "", "" },
	};
	static const char *const differ[][2] = {
		{ "\303\251", "e" }, /* an accent counts */
		{ "\303\227",
			"\303\267" }, /* the signs for times and divided by are no letter's cases */
		{ "\303\244", "\303\266" },
		{ "\303\337", "\303\377" },   /* no text: by its bytes */
		{ "a\300\200", "A\300\200" }, /* nor is this */
		{ "A\314\202\314\201", "A\314\201\314\202" },
		{ "\320\270", "\320\271" },
	};
	struct arena a;

	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct str x = match_casemap(&a, str_of(same[i][0]));
		struct str y = match_casemap(&a, str_of(same[i][1]));
		cr_expect(str_eq(x, y), "%s: %.*s, %.*s", same[i][0], STR_ARG(x), STR_ARG(y));
	}
	for (size_t i = 0; i < ARRAY_LEN(differ); i++)
		cr_expect(!str_eq(match_casemap(&a, str_of(differ[i][0])),
				  match_casemap(&a, str_of(differ[i][1]))),
			"row %zu", i);
	arena_free(&a);
}
