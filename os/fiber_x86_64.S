/* SPDX-License-Identifier: ISC */
/*
 * void os_fiber_switch(void **save_sp, void *to_sp)
 *
 * Pushes what the psABI lets a callee keep (rbx, rbp, r12-r15, MXCSR, x87 control word),
 * notes the stack pointer, and takes the other stack. A fresh stack is laid out by
 * fiber.c:stack_prepare as if it had called this from os_fiber_enter.
 */
	.text
	.globl	os_fiber_switch
	.type	os_fiber_switch, @function
os_fiber_switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	popq	%r14
	.cfi_adjust_cfa_offset -8
	popq	%r13
	.cfi_adjust_cfa_offset -8
	popq	%r12
	.cfi_adjust_cfa_offset -8
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	os_fiber_switch, . - os_fiber_switch

/* The bottom frame of every fiber: backtraces end here. */
	.globl	os_fiber_enter
	.type	os_fiber_enter, @function
os_fiber_enter:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	xorl	%ebp, %ebp
	call	os_fiber_begin
	ud2
	.cfi_endproc
	.size	os_fiber_enter, . - os_fiber_enter

	.section .note.GNU-stack,"",@progbits
