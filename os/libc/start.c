/* SPDX-License-Identifier: ISC */
/*
 * What a kernel and crt1 do before main: the words after a program's arguments, from which musl
 * sets up thread-local storage and itself. The canary is put in place by __init_ssp, musl's hook.
 */
#include "os/libc/libc.h"

#include <elf.h>
#include <pwd.h>

#define MSR_FS_BASE   0xc0000100u
#define CANARY_OFFSET 0x28
#define PAGE_BYTES    4096

extern const Elf64_Ehdr __ehdr_start;
void __init_libc(char **envp, const char *name);
void __libc_start_init(void);
void __init_ssp(void *entropy);
int __set_thread_area(void *tp);

static struct {
	char *env_end;
	size_t aux[16];
} words;

int __set_thread_area(void *tp)
{
	uint64_t at = (uint64_t)tp;

	__asm__ volatile("wrmsr"
		:
		: "c"(MSR_FS_BASE), "a"((uint32_t)at), "d"((uint32_t)(at >> 32)));
	return 0;
}

/* One byte of it is zero, so that string functions neither read nor write past it unseen. */
void __init_ssp(void *entropy)
{
	uint64_t canary;

	memcpy(&canary, entropy, sizeof(canary));
	canary &= ~0xff00ul;
	__asm__ volatile("mov %0, %%fs:%c1" : : "r"(canary), "i"(CANARY_OFFSET));
}

__attribute__((no_stack_protector, noinline)) void libc_start(uint64_t canary)
{
	static uint64_t random;
	const size_t aux[] = { AT_PHDR, (size_t)&__ehdr_start + __ehdr_start.e_phoff, AT_PHNUM,
		__ehdr_start.e_phnum, AT_PHENT, __ehdr_start.e_phentsize, AT_PAGESZ, PAGE_BYTES,
		AT_RANDOM, (size_t)&random, AT_NULL, 0 };

	random = canary;
	memcpy(words.aux, aux, sizeof(aux));
	__init_libc(&words.env_end, "allod");
	random = 0;
	__libc_start_init();
}

/*
 * There are no users. libgit2 asks all the same when it looks for a home folder; musl's answer
 * would ask a name service over a socket. Here, so that it is linked before musl's.
 */
int getpwuid_r(uid_t id, struct passwd *entry, char *room, size_t n, struct passwd **found)
{
	(void)id, (void)entry, (void)room, (void)n;
	*found = NULL;
	return 0;
}
