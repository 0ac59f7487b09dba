/* SPDX-License-Identifier: ISC */
/*
 * The system calls that linked code makes, as calls (syscall_arch.h). One program, one thread:
 * no processes, no signals, no files; standard output and error are the console.
 */
#include "os/libc/libc.h"
#include "os/libc/vm.h"
#include "os/platform.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#define ENTROPY_MAX 256
#define NS_PER_SEC  1000000000l

/* Handlers take six words, like the calls; most ignore some. */
#define CALL(name) \
	long os_sys_##name(long, long, long, long, long, long); \
	long os_sys_##name(__attribute__((unused)) long a, __attribute__((unused)) long b, \
		__attribute__((unused)) long c, __attribute__((unused)) long d, \
		__attribute__((unused)) long e, __attribute__((unused)) long f)

static bool is_console(long fd)
{
	return fd == 1 || fd == 2;
}

CALL(write)
{
	if (!is_console(a))
		return -EBADF;
	plat_console_write((const char *)b, (size_t)c);
	return c;
}

CALL(writev)
{
	const struct iovec *iov = (const struct iovec *)b;
	long n = 0;

	if (!is_console(a))
		return -EBADF;
	for (long i = 0; i < c; i++) {
		plat_console_write(iov[i].iov_base, iov[i].iov_len);
		n += (long)iov[i].iov_len;
	}
	return n;
}

CALL(read)
{
	return a == 0 ? 0 : -EBADF;
}

CALL(readv)
{
	return a == 0 ? 0 : -EBADF;
}

CALL(close)
{
	return a >= 0 && a <= 2 ? 0 : -EBADF;
}

CALL(ioctl)
{
	return -ENOTTY;
}

CALL(lseek)
{
	return a >= 0 && a <= 2 ? -ESPIPE : -EBADF;
}

CALL(exit_group)
{
	plat_exit((int)a);
}

CALL(exit)
{
	plat_exit((int)a);
}

/* abort(), raise(), pthread_kill(): there is nobody to catch it. */
CALL(tkill)
{
	os_panic("signal %ld raised", b);
}

CALL(kill)
{
	os_panic("signal %ld raised", b);
}

CALL(rt_sigaction)
{
	return 0;
}

CALL(rt_sigprocmask)
{
	if (c)
		memset((void *)c, 0, (size_t)d);
	return 0;
}

CALL(getpid)
{
	return 1;
}

CALL(gettid)
{
	return 1;
}

CALL(set_tid_address)
{
	return 1;
}

CALL(sched_yield)
{
	return 0;
}

/* Nobody else runs: a wait would never end, and there is nobody to wake. */
CALL(futex)
{
	if ((b & 127) == 0) /* FUTEX_WAIT */
		os_panic("a lock is waited for outside fibers");
	return 0;
}

static struct timespec as_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_SEC, .tv_nsec = ns % NS_PER_SEC };
}

CALL(clock_gettime)
{
	bool wall = a == CLOCK_REALTIME || a == CLOCK_REALTIME_COARSE;

	if (a < 0 || a > CLOCK_BOOTTIME)
		return -EINVAL;
	*(struct timespec *)b = as_timespec(wall ? plat_wall_ns() : (int64_t)plat_mono_ns());
	return 0;
}

CALL(clock_getres)
{
	if (b)
		*(struct timespec *)b = (struct timespec){ .tv_nsec = 1 };
	return 0;
}

/* Stops every fiber; os_sleep is what our code calls. */
static long sleep_for(const struct timespec *t)
{
	uint64_t until = plat_mono_ns() + (uint64_t)t->tv_sec * NS_PER_SEC + (uint64_t)t->tv_nsec;

	while (plat_mono_ns() < until)
		plat_wait(until);
	return 0;
}

CALL(nanosleep)
{
	return sleep_for((const struct timespec *)a);
}

CALL(clock_nanosleep)
{
	return b ? -EINVAL : sleep_for((const struct timespec *)c);
}

CALL(getrandom)
{
	size_t n = (size_t)b < ENTROPY_MAX ? (size_t)b : ENTROPY_MAX;

	return plat_entropy((void *)a, n) < 0 ? -EIO : (long)n;
}

CALL(uname)
{
	struct utsname *u = (struct utsname *)a;

	*u = (struct utsname){ .sysname = "Allod", .nodename = "allod", .machine = "x86_64" };
	return 0;
}

CALL(sysinfo)
{
	struct sysinfo *s = (struct sysinfo *)a;
	uint64_t total, left;

	plat_memory(&total, &left);
	*s = (struct sysinfo){ .totalram = total, .freeram = left, .mem_unit = 1 };
	return 0;
}

CALL(brk)
{
	return 0; /* no break: musl's malloc then maps */
}

CALL(mmap)
{
	if (a && d & MAP_FIXED)
		return -EINVAL;
	if (!(d & MAP_ANONYMOUS))
		return -ENODEV;
	return vm_map((size_t)b, (int)c);
}

CALL(munmap)
{
	return vm_unmap((uint64_t)a, (size_t)b);
}

CALL(mprotect)
{
	return vm_protect((uint64_t)a, (size_t)b, (int)c);
}

CALL(mremap)
{
	if (d & ~MREMAP_MAYMOVE)
		return -EINVAL;
	return vm_remap((uint64_t)a, (size_t)b, (size_t)c, d & MREMAP_MAYMOVE);
}

CALL(madvise)
{
	return c == MADV_DONTNEED || c == MADV_FREE ? vm_discard((uint64_t)a, (size_t)b) : 0;
}
