/* SPDX-License-Identifier: ISC */
/* Helper threads for host calls that take long: fdatasync, getaddrinfo. */
#include "os/fiber_impl.h"
#include "os/platform/unix/unix.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS_MAX 4

struct job {
	int (*fn)(void *);
	void *arg;
	int result;
	bool done;
	struct os_waitq waiter;
	struct job *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct job *waiting, **waiting_end = &waiting, *finished;
static unsigned threads, idle; /* all of these under `lock` */
static struct unix_watch watch = { .fd = -1 };

static void *work(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		struct job *job;
		idle++;
		while (!waiting)
			pthread_cond_wait(&more, &lock);
		idle--;
		job = waiting;
		waiting = job->next;
		if (!waiting)
			waiting_end = &waiting;
		pthread_mutex_unlock(&lock);
		job->result = job->fn(job->arg);
		pthread_mutex_lock(&lock);
		job->next = finished;
		finished = job;
		if (write(watch.fd, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
			os_panic("offload: eventfd: errno %d", errno);
	}
	return arg;
}

static void collect(struct unix_watch *w, uint32_t bits)
{
	uint64_t count;
	struct job *job, *next;

	(void)bits;
	if (read(w->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&lock);
	job = finished;
	finished = NULL;
	pthread_mutex_unlock(&lock);
	for (; job; job = next) {
		next = job->next;
		job->done = true;
		os_lend_end();
		os_wake_all(&job->waiter);
	}
}

static int prepare(void)
{
	if (watch.fd >= 0)
		return 0;
	watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch.fd < 0)
		return err_set(ERR_NOMEM, "offload: eventfd: errno %d", errno);
	watch.ready = collect;
	return unix_watch(&watch, EPOLLIN);
}

/* With `lock` held. A helper takes no signals: they are the main thread's. */
static int add_thread(void)
{
	sigset_t all, old;
	pthread_t t;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&t, NULL, work, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed)
		return threads ? 0 : err_set(ERR_NOMEM, "offload: no thread");
	pthread_detach(t);
	threads++;
	return 0;
}

int unix_offload(int (*fn)(void *), void *arg)
{
	struct job job = { .fn = fn, .arg = arg };
	int err;

	if (!os_self())
		return fn(arg);
	err = prepare();
	if (err < 0)
		return err;
	pthread_mutex_lock(&lock);
	if (idle == 0 && threads < THREADS_MAX)
		err = add_thread();
	if (err == 0) {
		*waiting_end = &job;
		waiting_end = &job.next;
		pthread_cond_signal(&more);
		os_lend();
	}
	pthread_mutex_unlock(&lock);
	while (err == 0 && !job.done)
		err = os_wait(&job.waiter, OS_FOREVER);
	return err < 0 ? err : job.result;
}
