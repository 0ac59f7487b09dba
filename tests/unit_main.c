/* SPDX-License-Identifier: ISC */
/* Criterion's usual main, as an object of its own so that the library can stand last on the link line. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct criterion_test_set *tests = criterion_initialize();
	int ok = criterion_handle_args(argc, argv, true) ? !criterion_run_all_tests(tests) : 0;
	criterion_finalize(tests);
	/* Tests are searched for leaks in processes of their own; what this one leaks is Criterion's. */
	fflush(NULL);
	_exit(ok);
}
