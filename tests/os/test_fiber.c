/* SPDX-License-Identifier: ISC */
#include "os/main.h"
#include "os/platform.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

/* Each body below runs as the first fiber. */
#define FIBER_TEST(name, ...) \
	static int name##_body(void *arg); \
	Test(fiber, name, ##__VA_ARGS__) \
	{ \
		cr_expect_eq(os_run(name##_body, NULL), 7); \
	} \
	static int name##_body(void *arg)

static char text_a[] = "a", text_b[] = "b", text_x[] = "x";
static char text_first[] = "first", text_second[] = "second";
static char trace[256];
static void note(char c)
{
	size_t n = strlen(trace);

	cr_assert_lt(n, sizeof(trace) - 1);
	trace[n] = c;
}

static void noter(void *arg)
{
	for (int i = 0; i < 3; i++) {
		note(*(char *)arg);
		os_yield();
	}
}

FIBER_TEST(turns_are_round_robin)
{
	cr_expect_eq(os_spawn("a", noter, text_a), 0);
	cr_expect_eq(os_spawn("b", noter, text_b), 0);
	cr_expect_eq(os_fiber_count(), 3);
	cr_expect_str_eq(os_fiber_name(os_self()), "main");
	while (os_fiber_count() > 1) {
		note('m');
		os_yield();
	}
	cr_expect_str_eq(trace, "mabmabmabm");
	(void)arg;
	return 7;
}

struct sleeper {
	os_time until;
	int id;
};
static int order[64], order_count;
static void sleeper(void *arg)
{
	struct sleeper *s = arg;

	os_sleep(s->until);
	cr_expect_geq(os_now(), s->until);
	order[order_count++] = s->id;
}

FIBER_TEST(timers_fire_in_order)
{
	struct sleeper s[50];
	os_time start = os_now();

	for (int i = 0; i < 50; i++) {
		s[i] = (struct sleeper){ start + (i * 37 % 50) * OS_MS, i };
		cr_assert_eq(os_spawn("sleeper", sleeper, &s[i]), 0);
	}
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
	cr_assert_eq(order_count, 50);
	for (int i = 1; i < 50; i++)
		cr_expect_leq(s[order[i - 1]].until, s[order[i]].until);
	cr_expect_lt(os_now() - start, 2 * OS_SEC);
	(void)arg;
	return 7;
}

static struct os_waitq q = OS_WAITQ;
static int results[3];
static void waiter(void *arg)
{
	int i = *(int *)arg;

	results[i] = os_wait(&q, i == 1 ? os_after(5 * OS_MS) : os_after(10 * OS_SEC)) + 100;
}

FIBER_TEST(a_wait_ends_by_wake_or_deadline)
{
	static int ids[] = { 0, 1, 2 };
	os_time start = os_now();

	cr_expect_eq(os_wait(&q, os_now() - 1), ERR_TIMEOUT);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(os_spawn("waiter", waiter, &ids[i]), 0);
	os_sleep(os_after(20 * OS_MS));
	cr_expect_eq(results[1], 100 + ERR_TIMEOUT, "left the middle of the queue");
	os_wake_one(&q);
	os_yield();
	cr_expect(results[0] == 100 && results[2] == 0, "first come, first woken");
	os_wake_all(&q);
	os_yield();
	cr_expect_eq(results[2], 100);
	cr_expect_null(q.first);
	cr_expect_lt(os_now() - start, 5 * OS_SEC);
	(void)arg;
	return 7;
}

static struct os_mutex m = OS_MUTEX;
static void locker(void *arg)
{
	cr_expect_eq(os_lock(&m, OS_FOREVER), 0);
	note(*(char *)arg);
	os_yield();
	note(*(char *)arg);
	os_unlock(&m);
}

FIBER_TEST(a_mutex_is_fair)
{
	cr_expect_eq(os_lock(&m, OS_FOREVER), 0);
	cr_assert_eq(os_spawn("a", locker, text_a), 0);
	cr_assert_eq(os_spawn("b", locker, text_b), 0);
	os_yield();
	os_unlock(&m);
	cr_expect_eq(os_lock(&m, os_after(-1)), ERR_TIMEOUT, "it was handed to a");
	cr_expect_eq(os_lock(&m, OS_FOREVER), 0);
	cr_expect_str_eq(trace, "aabb");
	os_unlock(&m);
	(void)arg;
	return 7;
}

static int lock_twice(void *arg)
{
	(void)arg;
	return os_lock(&m, OS_FOREVER) + os_lock(&m, OS_FOREVER);
}

Test(fiber, locking_twice_panics, .exit_code = 64)
{
	os_run(lock_twice, NULL);
}

/* Catches stacks without a guard page: an overflow would silently write into the neighbour. */
Test(fiber, stacks_have_a_guard_page)
{
	char *low[3];
	int p[2];

	cr_assert_eq(pipe(p), 0);
	for (int i = 0; i < 3; i++) {
		low[i] = plat_stack_alloc(OS_STACK_BYTES);
		cr_assert_not_null(low[i]);
	}
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(write(p[1], low[i], 1), 1);
		cr_expect_eq(write(p[1], low[i] + OS_STACK_BYTES - 1, 1), 1);
		cr_expect(write(p[1], low[i] - 1, 1) < 0 && errno == EFAULT);
		plat_stack_free(low[i], OS_STACK_BYTES);
	}
}

static struct os_queue queue;
static void producer(void *arg)
{
	for (intptr_t i = 1; i <= 100; i++)
		cr_assert_eq(os_queue_put(&queue, (void *)i, OS_FOREVER), 0);
	os_queue_close(&queue);
	cr_expect_eq(os_queue_put(&queue, arg, OS_FOREVER), ERR_CLOSED);
}

FIBER_TEST(a_queue_is_bounded_and_closes)
{
	void *slots[3], *item = NULL;
	intptr_t n = 0;
	int err;

	os_queue_init(&queue, slots, 3);
	cr_expect_eq(os_queue_get(&item, &queue, os_after(OS_MS)), ERR_TIMEOUT);
	cr_assert_eq(os_spawn("producer", producer, NULL), 0);
	os_yield();
	cr_expect_eq(queue.n, 3);
	while ((err = os_queue_get(&item, &queue, os_after(OS_SEC))) == 0)
		cr_assert_eq((intptr_t)item, ++n);
	cr_expect_eq(err, ERR_CLOSED);
	cr_expect_eq(n, 100);
	(void)arg;
	return 7;
}

static void set_error(void *arg)
{
	cr_expect_eq(err_set(ERR_IO, "mine: %s", (char *)arg), ERR_IO);
	os_yield();
	cr_expect(strstr(err_text(ERR_IO), arg));
}

FIBER_TEST(each_fiber_has_its_error)
{
	cr_assert_eq(os_spawn("a", set_error, text_first), 0);
	cr_assert_eq(os_spawn("b", set_error, text_second), 0);
	cr_expect_eq(err_set(ERR_IO, "main"), ERR_IO);
	while (os_fiber_count() > 1)
		os_yield();
	cr_expect_str_eq(err_text(ERR_IO), "main");
	(void)arg;
	return 7;
}

static int alive;
static void crowd(void *arg)
{
	alive++;
	cr_expect_eq(os_wait(arg, OS_FOREVER), 0);
	alive--;
}

FIBER_TEST(as_many_as_the_limit)
{
	struct os_waitq all = OS_WAITQ;
	uint32_t sid = os_fiber_sid();

	cr_expect_neq(sid, 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 1; i < OS_FIBERS_MAX; i++)
			cr_assert_eq(os_spawn("crowd", crowd, &all), 0);
		cr_expect_eq(os_spawn("one more", crowd, &all), ERR_LIMIT);
		os_yield();
		cr_assert_eq(alive, OS_FIBERS_MAX - 1);
		os_wake_all(&all);
		os_yield();
		cr_assert_eq(alive, 0);
		cr_assert_eq(os_fiber_count(), 1);
	}
	cr_expect_eq(os_fiber_sid(), sid);
	(void)arg;
	return 7;
}

FIBER_TEST(what_still_runs_is_dropped)
{
	static struct os_waitq all = OS_WAITQ;

	cr_expect_null(all.first, "and left its queue");
	for (int i = 0; i < 20; i++)
		cr_assert_eq(os_spawn("crowd", crowd, &all), 0);
	os_yield();
	return arg ? 8 : 7;
}

Test(fiber, it_runs_again)
{
	cr_expect_eq(os_run(what_still_runs_is_dropped_body, NULL), 7);
	cr_expect_eq(os_run(what_still_runs_is_dropped_body, text_x), 8);
	cr_expect_eq(os_fiber_count(), 0);
}
