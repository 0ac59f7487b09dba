/* SPDX-License-Identifier: ISC */
/*
 * The scheduler. It runs on the stack of whoever called os_sched_run; a fiber switches
 * to it, never straight to another fiber. One turn: every fiber that was runnable at its
 * start, then the devices, then the timers; with nothing runnable, plat_wait.
 */
#include "os/fiber_impl.h"
#include "os/main.h"
#include "os/platform.h"
#include "os/sanitize_impl.h"

#define STACK_BYTES  ((size_t)OS_STACK_BYTES * SAN_STACK_FACTOR)
#define STACKS_SPARE 16

struct os_fiber {
	void *sp, *fake;
	const char *name;
	void (*fn)(void *);
	void *arg;
	struct os_fiber *next, *prev; /* in the run queue or in `waiting` */
	struct os_waitq *waiting;
	os_time deadline;
	size_t heap_at; /* index in the timer heap + 1; 0 when not there */
	int woken;      /* what os_wait returns */
	uint32_t sid;
	size_t stack_bytes;
	bool dead;
	struct os_fiber *all_next, **all_prev;
	struct os_err_slot err;
};

static struct {
	struct os_fiber *current;
	struct os_waitq runnable;
	size_t runnable_count;
	struct os_fiber *all;
	unsigned count;
	uint32_t last_sid;
	struct os_fiber **heap;
	size_t heap_count, heap_cap;
	void *spare[STACKS_SPARE];
	unsigned spare_count;
	struct os_stop_hook *stop_hooks;
	bool stop_told;
	unsigned lent;
	void *sp, *fake;
	const void *stack; /* of the scheduler, as ASan knows it */
	size_t stack_bytes;
} sched;

void os_fiber_switch(void **save_sp, void *to_sp);
void os_fiber_enter(void);
NORETURN void os_fiber_begin(void);

/* ---- queues of fibers ---- */
static void link_last(struct os_waitq *q, struct os_fiber *f)
{
	f->next = NULL;
	f->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = f;
	q->last = f;
}

static void unlink_from(struct os_waitq *q, struct os_fiber *f)
{
	*(f->prev ? &f->prev->next : &q->first) = f->next;
	*(f->next ? &f->next->prev : &q->last) = f->prev;
	f->next = f->prev = NULL;
}

static void make_runnable(struct os_fiber *f)
{
	link_last(&sched.runnable, f);
	sched.runnable_count++;
}

/* ---- timers: a binary heap by deadline ---- */
static void heap_set(size_t i, struct os_fiber *f)
{
	sched.heap[i] = f;
	f->heap_at = i + 1;
}

static void heap_up(size_t i, struct os_fiber *f)
{
	for (; i > 0 && sched.heap[(i - 1) / 2]->deadline > f->deadline; i = (i - 1) / 2)
		heap_set(i, sched.heap[(i - 1) / 2]);
	heap_set(i, f);
}

static void heap_down(size_t i, struct os_fiber *f)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < sched.heap_count &&
			sched.heap[child + 1]->deadline < sched.heap[child]->deadline)
			child++;
		if (child >= sched.heap_count || sched.heap[child]->deadline >= f->deadline)
			break;
		heap_set(i, sched.heap[child]);
		i = child;
	}
	heap_set(i, f);
}

static void timer_start(struct os_fiber *f, os_time deadline)
{
	f->deadline = deadline;
	if (deadline != OS_FOREVER)
		heap_up(sched.heap_count++, f); /* os_spawn saw to the room */
}

static void timer_stop(struct os_fiber *f)
{
	size_t i = f->heap_at;
	struct os_fiber *last;

	if (i-- == 0)
		return;
	f->heap_at = 0;
	last = sched.heap[--sched.heap_count];
	if (last == f)
		return;
	if (last->deadline < f->deadline)
		heap_up(i, last);
	else
		heap_down(i, last);
}

static void timers_expire(void)
{
	os_time now = sched.heap_count ? os_now() : 0;

	while (sched.heap_count && sched.heap[0]->deadline <= now) {
		struct os_fiber *f = sched.heap[0];
		timer_stop(f);
		if (f->waiting)
			unlink_from(f->waiting, f);
		f->waiting = NULL;
		f->woken = ERR_TIMEOUT;
		make_runnable(f);
	}
}

/* ---- switching ---- */
static void switch_to_scheduler(struct os_fiber *f)
{
	SAN_LEAVE(f->dead ? NULL : &f->fake, sched.stack, sched.stack_bytes);
	os_fiber_switch(&f->sp, sched.sp);
	SAN_ENTER(f->fake, &sched.stack, &sched.stack_bytes);
}

void os_fiber_begin(void)
{
	struct os_fiber *f = sched.current;

	SAN_ENTER(NULL, &sched.stack, &sched.stack_bytes);
	f->fn(f->arg);
	f->dead = true;
	switch_to_scheduler(f);
	os_panic("a dead fiber ran");
}

/* The fiber's own record stands at the top of its stack. */
static char *stack_low(struct os_fiber *f)
{
	return (char *)(f + 1) - f->stack_bytes;
}

static void fiber_free(struct os_fiber *f)
{
	char *low = stack_low(f);
	size_t bytes = f->stack_bytes;

	timer_stop(f);
	if (f->waiting)
		unlink_from(f->waiting, f);
	*f->all_prev = f->all_next;
	if (f->all_next)
		f->all_next->all_prev = f->all_prev;
	sched.count--;
	SAN_STACK_GONE(low, bytes);
	if (bytes == STACK_BYTES && sched.spare_count < STACKS_SPARE)
		sched.spare[sched.spare_count++] = low;
	else
		plat_stack_free(low, bytes);
}

static void run(struct os_fiber *f)
{
	struct os_err_slot *outside = os_err_slot;

	sched.current = f;
	os_err_slot = &f->err;
	SAN_LEAVE(&sched.fake, stack_low(f), f->stack_bytes);
	os_fiber_switch(&sched.sp, f->sp);
	SAN_ENTER(sched.fake, NULL, NULL);
	sched.current = NULL;
	os_err_slot = outside;
	if (f->dead)
		fiber_free(f);
}

static void stack_prepare(struct os_fiber *f)
{
	/* As os_fiber_switch leaves it: control words, six registers, return address. */
	uint64_t *sp = (uint64_t *)((uintptr_t)f & ~(uintptr_t)15);

	*--sp = 0; /* keeps the stack aligned at os_fiber_enter's call */
	*--sp = 0;
	*--sp = (uint64_t)(uintptr_t)os_fiber_enter;
	for (int i = 0; i < 6; i++)
		*--sp = 0;
	*--sp = (uint64_t)0x037f << 32 | 0x1f80;
	f->sp = sp;
}

static bool heap_room(void)
{
	size_t cap = sched.heap_cap ? sched.heap_cap * 2 : 16;
	struct os_fiber **heap;

	if (sched.count < sched.heap_cap)
		return true;
	heap = realloc(sched.heap, cap * sizeof(struct os_fiber *));
	if (!heap)
		return false;
	sched.heap = heap;
	sched.heap_cap = cap;
	return true;
}

static int spawn(const char *name, void (*fn)(void *), void *arg, size_t stack_bytes)
{
	struct os_fiber *f;
	char *low;

	if (sched.count >= OS_FIBERS_MAX)
		return err_set(ERR_LIMIT, "fiber %s: %d run already", name, OS_FIBERS_MAX);
	if (!heap_room())
		return err_set(ERR_NOMEM, "fiber %s: no memory for its timer", name);
	low = stack_bytes == STACK_BYTES && sched.spare_count ? sched.spare[--sched.spare_count]
							      : plat_stack_alloc(stack_bytes);
	if (!low)
		return err_set(ERR_NOMEM, "fiber %s: no memory for a stack", name);
	SAN_STACK_MADE(low, stack_bytes);
	f = (struct os_fiber *)(low + stack_bytes) - 1;
	*f = (struct os_fiber){ .name = name,
		.fn = fn,
		.arg = arg,
		.stack_bytes = stack_bytes,
		.all_next = sched.all };
	f->all_prev = &sched.all;
	if (sched.all)
		sched.all->all_prev = &f->all_next;
	sched.all = f;
	sched.count++;
	if (++sched.last_sid == 0)
		sched.last_sid = 1;
	f->sid = sched.last_sid;
	stack_prepare(f);
	make_runnable(f);
	return 0;
}

int os_spawn(const char *name, void (*fn)(void *), void *arg)
{
	return spawn(name, fn, arg, STACK_BYTES);
}

struct os_fiber *os_self(void)
{
	return sched.current;
}

const char *os_fiber_name(const struct os_fiber *f)
{
	return f->name;
}

unsigned os_fiber_count(void)
{
	return sched.count;
}

uint32_t os_fiber_sid(void)
{
	return sched.current ? sched.current->sid : 0;
}

/* ---- waiting ---- */
static struct os_fiber *self_waits(void)
{
	if (!sched.current)
		os_panic("a wait outside of fibers");
	return sched.current;
}

void os_yield(void)
{
	struct os_fiber *f = self_waits();

	make_runnable(f);
	switch_to_scheduler(f);
}

void os_sleep(os_time until)
{
	struct os_fiber *f = self_waits();

	timer_start(f, until);
	switch_to_scheduler(f);
}

int os_wait(struct os_waitq *q, os_time deadline)
{
	struct os_fiber *f = self_waits();

	if (deadline != OS_FOREVER && deadline <= os_now())
		return ERR_TIMEOUT;
	f->woken = 0;
	f->waiting = q;
	link_last(q, f);
	timer_start(f, deadline);
	switch_to_scheduler(f);
	return f->woken;
}

void os_wake_one(struct os_waitq *q)
{
	struct os_fiber *f = q->first;

	if (!f)
		return;
	unlink_from(q, f);
	f->waiting = NULL;
	timer_stop(f);
	make_runnable(f);
}

void os_wake_all(struct os_waitq *q)
{
	while (q->first)
		os_wake_one(q);
}

void os_lend(void)
{
	sched.lent++;
}

void os_lend_end(void)
{
	sched.lent--;
}

/* ---- the loop ---- */
void os_stop_hook_add(struct os_stop_hook *h)
{
	h->next = sched.stop_hooks;
	h->prev = &sched.stop_hooks;
	if (h->next)
		h->next->prev = &h->next;
	sched.stop_hooks = h;
}

void os_stop_hook_del(struct os_stop_hook *h)
{
	*h->prev = h->next;
	if (h->next)
		h->next->prev = h->prev;
}

static void turn(void)
{
	for (size_t n = sched.runnable_count; n > 0; n--) {
		struct os_fiber *f = sched.runnable.first;
		unlink_from(&sched.runnable, f);
		sched.runnable_count--;
		run(f);
	}
	plat_poll();
	timers_expire();
	if (!sched.stop_told && os_stopping()) {
		sched.stop_told = true;
		for (struct os_stop_hook *h = sched.stop_hooks; h; h = h->next)
			h->fn(h);
	}
}

struct first {
	int (*fn)(void *);
	void *arg;
	int result;
	bool done;
};

static void first_fiber(void *arg)
{
	struct first *first = arg;

	first->result = first->fn(first->arg);
	first->done = true;
}

int os_sched_run(int (*fn)(void *), void *arg, size_t stack_bytes)
{
	struct first first = { .fn = fn, .arg = arg };
	int err = spawn("main", first_fiber, &first, stack_bytes * SAN_STACK_FACTOR);

	if (err < 0)
		return err;
	for (;;) {
		turn();
		if (first.done)
			break;
		if (!sched.runnable.first)
			plat_wait(
				sched.heap_count ? (uint64_t)sched.heap[0]->deadline : UINT64_MAX);
	}
	while (sched.lent) {
		plat_wait(UINT64_MAX);
		plat_poll();
	}
	sched.runnable = (struct os_waitq)OS_WAITQ;
	sched.runnable_count = 0;
	while (sched.all)
		fiber_free(sched.all);
	while (sched.spare_count)
		plat_stack_free(sched.spare[--sched.spare_count], STACK_BYTES);
	free(sched.heap);
	sched.heap = NULL;
	sched.heap_cap = 0;
	return first.result;
}
