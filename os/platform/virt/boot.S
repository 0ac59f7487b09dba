/* SPDX-License-Identifier: ISC */
/*
 * From the PVH entry (32-bit, paging off, %ebx = start_info) to virt_start in long mode, and
 * the trap entries. The tables made here map the first GiB and serve only until
 * mem_init has made the real ones.
 */
	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 8, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	pvh_entry

	.section .bss.boot, "aw", @nobits
	.balign	4096
	.globl	boot_tables
boot_tables:
	.skip	3 * 4096
boot_stack:
	.skip	8192
boot_stack_top:

	.data
	.balign	16
	.globl	gdt
gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* 0x08: 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x10: data */
	.quad	0, 0			/* 0x18: TSS, filled by trap_init */
gdt_end:
gdt_ptr:
	.word	gdt_end - gdt - 1
	.quad	gdt
	/* What %fs points to until the C library has its own: the canary is at 0x28. */
	.globl	boot_tls
boot_tls:
	.skip	0x28
	.quad	0x1df0c0ffee00a110
	.skip	0x10

	.section .text.boot, "ax"
	.code32
	.globl	pvh_entry
pvh_entry:
	cli
	cld
	movl	%ebx, %esi
	movl	$boot_stack_top, %esp
	movl	$boot_tables, %edi
	movl	%edi, %eax
	addl	$4096 + 3, %eax
	movl	%eax, (%edi)		/* PML4[0] */
	addl	$4096, %eax
	movl	%eax, 4096(%edi)	/* PDPT[0] */
	leal	8192(%edi), %edx
	movl	$0x83, %eax		/* 2 MiB pages, present, writable */
	movl	$512, %ecx
1:	movl	%eax, (%edx)
	addl	$0x200000, %eax
	addl	$8, %edx
	loop	1b

	movl	$0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	movl	%eax, %cr4
	movl	%edi, %cr3
	movl	$0xc0000080, %ecx	/* EFER: LME, NXE */
	rdmsr
	orl	$0x900, %eax
	wrmsr
	movl	$0x80010033, %eax	/* PG, WP, NE, ET, MP, PE */
	movl	%eax, %cr0
	lgdt	gdt_ptr
	ljmp	$0x08, $long_mode

	.code64
long_mode:
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$0xc0000100, %ecx	/* FS base */
	movl	$boot_tls, %eax
	xorl	%edx, %edx
	wrmsr
	fninit
	movl	$boot_stack_top, %esp
	xorl	%ebp, %ebp
	movl	%esi, %edi
	call	virt_start
	ud2

	.text
/* void stack_switch(void *top, void (*fn)(void)): never returns; a backtrace ends here. */
	.globl	stack_switch
	.type	stack_switch, @function
stack_switch:
	movq	%rdi, %rsp
	xorl	%ebp, %ebp
	call	*%rsi
	ud2
	.size	stack_switch, . - stack_switch

/*
 * Faults. All run on stacks of their own (IST). The vector state is saved because a page
 * fault resumes code that may be using it.
 */
	.macro	EXC n, has_error=0
	.balign	16
	.if	\has_error == 0
	pushq	$0
	.endif
	pushq	$\n
	jmp	trap_common
	.endm

	.balign	16
	.globl	trap_vectors
trap_vectors:
	.irp	n, 0,1,2,3,4,5,6,7
	EXC	\n
	.endr
	EXC	8, 1
	EXC	9
	.irp	n, 10,11,12,13,14
	EXC	\n, 1
	.endr
	EXC	15
	EXC	16
	EXC	17, 1
	.irp	n, 18,19,20
	EXC	\n
	.endr
	EXC	21, 1
	.irp	n, 22,23,24,25,26,27,28
	EXC	\n
	.endr
	EXC	29, 1
	EXC	30, 1
	EXC	31

	.type	trap_common, @function
trap_common:
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	pushq	136(%rdi)		/* %rip and %rbp: a frame for backtraces */
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$512, %rsp
	fxsave64 (%rsp)
	call	trap_handle
	fxrstor64 (%rsp)
	addq	$512 + 16, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp
	iretq
	.size	trap_common, . - trap_common

/*
 * Interrupts are only on in the one instruction that waits (irq_wait). They note their line in
 * irq_lines and return with interrupts off, so that another cannot follow.
 */
	.balign	16
	.globl	irq_vectors
irq_vectors:
	.set	n, 0
	.rept	64
	.balign	16
	pushq	%rax
	movl	$n, %eax
	jmp	irq_common
	.set	n, n + 1
	.endr
	.type	irq_common, @function
irq_common:
	btsq	%rax, irq_lines
	movl	$0xfee000b0, %eax	/* end of interrupt */
	movl	$0, (%rax)
	popq	%rax
	andl	$~0x200, 16(%rsp)
	iretq
	.size	irq_common, . - irq_common
	.balign	16
	.globl	irq_spurious
irq_spurious:
	andl	$~0x200, 16(%rsp)
	iretq

/* void irq_wait(void): sleep until an interrupt; one that came before ends it at once. */
	.globl	irq_wait
	.type	irq_wait, @function
irq_wait:
	sti
	hlt
	cli
	ret
	.size	irq_wait, . - irq_wait
/* void irq_take(void): let what is pending in. */
	.globl	irq_take
	.type	irq_take, @function
irq_take:
	sti
	nop
	cli
	ret
	.size	irq_take, . - irq_take

	.section .note.GNU-stack, "", @progbits
