/* SPDX-License-Identifier: ISC */
/* The mutex and the bounded queue, on top of wait queues. */
#include "os/fiber.h"

/* Programs that run no scheduler may still lock; there is nobody to wait for. */
static char no_fiber;

static struct os_fiber *self(void)
{
	return os_self() ? os_self() : (struct os_fiber *)(void *)&no_fiber;
}

int os_lock(struct os_mutex *m, os_time deadline)
{
	if (m->owner == self())
		os_panic("a fiber locks a mutex it holds");
	if (!m->owner) {
		m->owner = self();
		return 0;
	}
	while (m->owner != self()) {
		int err = os_wait(&m->waiters, deadline);
		if (err < 0)
			return err;
	}
	return 0;
}

void os_unlock(struct os_mutex *m)
{
	if (m->owner != self())
		os_panic("a fiber unlocks a mutex it does not hold");
	m->owner = m->waiters.first; /* handed over, so nobody overtakes */
	os_wake_one(&m->waiters);
}

void os_queue_init(struct os_queue *q, void **slots, size_t cap)
{
	*q = (struct os_queue){ .slots = slots, .cap = cap };
}

int os_queue_put(struct os_queue *q, void *item, os_time deadline)
{
	while (!q->closed && q->n == q->cap) {
		int err = os_wait(&q->writers, deadline);
		if (err < 0)
			return err;
	}
	if (q->closed)
		return ERR_CLOSED;
	q->slots[(q->head + q->n++) % q->cap] = item;
	os_wake_one(&q->readers);
	return 0;
}

int os_queue_get(void **item, struct os_queue *q, os_time deadline)
{
	while (q->n == 0) {
		int err;
		if (q->closed)
			return ERR_CLOSED;
		err = os_wait(&q->readers, deadline);
		if (err < 0)
			return err;
	}
	*item = q->slots[q->head];
	q->head = (q->head + 1) % q->cap;
	q->n--;
	os_wake_one(&q->writers);
	return 0;
}

void os_queue_close(struct os_queue *q)
{
	q->closed = true;
	os_wake_all(&q->readers);
	os_wake_all(&q->writers);
}
