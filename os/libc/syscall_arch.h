/* SPDX-License-Identifier: ISC */
/*
 * Takes the place of musl's arch/x86_64/syscall_arch.h: a system call is a plain call of
 * os_sys_<name> (os/libc/syscall.c), resolved when musl is compiled. A linked object that needs
 * a call nobody provides fails the link on os_sys_not_provided; the linker names the object.
 * So a call goes into one of the two lists below, or the code that needs it stays out.
 */
#ifndef OS_LIBC_SYSCALL_ARCH_H
#define OS_LIBC_SYSCALL_ARCH_H

#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)
#define IPC_64            0

#define OS_SYSCALLS(X) \
	X(brk) \
	X(clock_getres) \
	X(clock_gettime) \
	X(clock_nanosleep) \
	X(close) \
	X(exit) \
	X(exit_group) \
	X(futex) \
	X(getpid) \
	X(getrandom) \
	X(gettid) \
	X(ioctl) \
	X(kill) \
	X(lseek) \
	X(madvise) \
	X(mmap) \
	X(mprotect) \
	X(mremap) \
	X(munmap) \
	X(nanosleep) \
	X(read) \
	X(readv) \
	X(rt_sigaction) \
	X(rt_sigprocmask) \
	X(sched_yield) \
	X(set_tid_address) \
	X(sysinfo) \
	X(tkill) \
	X(uname) \
	X(write) \
	X(writev)

/* There are no processes, users, files or host sockets here: known, and always refused. */
#define OS_SYSCALLS_REFUSED(X) \
	X(access, 2) /* ENOENT */ \
	X(chdir, 2) \
	X(chmod, 2) \
	X(clone, 38) /* ENOSYS */ \
	X(dup, 9)    /* EBADF */ \
	X(dup2, 9) \
	X(dup3, 9) \
	X(execve, 38) \
	X(faccessat, 2) \
	X(faccessat2, 2) \
	X(fchmod, 9) \
	X(fcntl, 9) \
	X(fdatasync, 9) \
	X(fork, 38) \
	X(fstat, 9) \
	X(fsync, 9) \
	X(ftruncate, 9) \
	X(getcwd, 2) \
	X(getdents64, 9) \
	X(getegid, 38) \
	X(geteuid, 38) \
	X(getgid, 38) \
	X(getpgid, 38) \
	X(getppid, 38) \
	X(getrlimit, 38) \
	X(getrusage, 38) \
	X(getsid, 38) \
	X(gettimeofday, 38) \
	X(getuid, 38) \
	X(link, 2) \
	X(lstat, 2) \
	X(membarrier, 38) \
	X(mkdir, 2) \
	X(msync, 38) \
	X(newfstatat, 2) \
	X(open, 2) \
	X(openat, 2) \
	X(pipe, 38) \
	X(pipe2, 38) \
	X(poll, 38) \
	X(pread64, 9) \
	X(preadv, 9) \
	X(prlimit64, 38) \
	X(pwrite64, 9) \
	X(pwritev, 9) \
	X(readlink, 2) \
	X(readlinkat, 2) \
	X(rename, 2) \
	X(rmdir, 2) \
	X(rt_sigreturn, 38) \
	X(sched_getaffinity, 38) \
	X(select, 38) \
	X(set_robust_list, 38) \
	X(socket, 38) \
	X(stat, 2) \
	X(statx, 38) \
	X(symlink, 2) \
	X(umask, 38) \
	X(unlink, 2) \
	X(unlinkat, 2) \
	X(utimensat, 2) \
	X(wait4, 38)

#define OS_SYS_ARGS long, long, long, long, long, long
#define X(name)     extern long os_sys_##name(OS_SYS_ARGS);
OS_SYSCALLS(X)
#undef X
extern long os_sys_not_provided(long);

static __inline __attribute__((always_inline)) long __syscall6(
	long n, long a, long b, long c, long d, long e, long f)
{
	switch (n) {
#define X(name) \
	case SYS_##name: return os_sys_##name(a, b, c, d, e, f);
		OS_SYSCALLS(X)
#undef X
#define X(name, error) \
	case SYS_##name: return -(error);
		OS_SYSCALLS_REFUSED(X)
#undef X
	default: return os_sys_not_provided(n);
	}
}
#define OS_SYS_N static __inline __attribute__((always_inline)) long
OS_SYS_N __syscall0(long n)
{
	return __syscall6(n, 0, 0, 0, 0, 0, 0);
}
OS_SYS_N __syscall1(long n, long a)
{
	return __syscall6(n, a, 0, 0, 0, 0, 0);
}
OS_SYS_N __syscall2(long n, long a, long b)
{
	return __syscall6(n, a, b, 0, 0, 0, 0);
}
OS_SYS_N __syscall3(long n, long a, long b, long c)
{
	return __syscall6(n, a, b, c, 0, 0, 0);
}
OS_SYS_N __syscall4(long n, long a, long b, long c, long d)
{
	return __syscall6(n, a, b, c, d, 0, 0);
}
OS_SYS_N __syscall5(long n, long a, long b, long c, long d, long e)
{
	return __syscall6(n, a, b, c, d, e, 0);
}
#undef OS_SYS_N

/*
 * Cancellation points go the same way, not through musl's __syscall_cp with its call number
 * at run time. gnu_inline, so that the file which defines that function still compiles.
 */
extern __inline __attribute__((gnu_inline, always_inline)) long __syscall_cp(
	long n, long a, long b, long c, long d, long e, long f)
{
	return __syscall6(n, a, b, c, d, e, f);
}

#endif
