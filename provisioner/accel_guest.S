/* SPDX-License-Identifier: ISC */
/*
 * The guest of the acceleration probe: a whole ELF image as read-only data. Entered by PVH in
 * 32-bit mode, it goes to long mode with paging on, as every guest of ours does, and reports 42
 * over isa-debug-exit.
 */
#define LOAD   0x100000
#define TABLES 0x200000 /* PML4, PDPT, PD: a page each */
#define AT(x)  (x - prov_probe_guest + LOAD)

	.section .rodata
	.balign 16
	.globl prov_probe_guest, prov_probe_guest_end
prov_probe_guest:
	.byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
	.2byte 2, 62		/* executable, x86-64 */
	.4byte 1
	.8byte AT(entry)
	.8byte headers - prov_probe_guest
	.8byte 0
	.4byte 0
	.2byte 64, 56, 2, 64, 0, 0
headers:
	.4byte 1, 7		/* PT_LOAD, rwx */
	.8byte 0, LOAD, LOAD
	.8byte prov_probe_guest_end - prov_probe_guest
	.8byte TABLES + 0x3000 - LOAD
	.8byte 0x1000
	.4byte 4, 4		/* PT_NOTE */
	.8byte note - prov_probe_guest, AT(note), AT(note)
	.8byte note_end - note, note_end - note
	.8byte 4
note:
	.4byte 4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.4byte AT(entry)
note_end:

	.code32
entry:
	cld
	movl $TABLES, %edi
	xorl %eax, %eax
	movl $(0x3000 / 4), %ecx
	rep stosl
	movl $(TABLES + 0x1000 + 3), TABLES
	movl $(TABLES + 0x2000 + 3), TABLES + 0x1000
	movl $(TABLES + 0x2000), %edi
	movl $0x83, %eax	/* 2 MiB pages, present, writable */
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	cmpl $(TABLES + 0x3000), %edi
	jb 1b
	movl $TABLES, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax		/* PAE */
	movl %eax, %cr4
	movl $0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax
	movl %eax, %cr0
	lgdtl AT(gdt_ptr)
	ljmpl $8, $AT(long_mode)

	.code64
long_mode:
	movl $42, %eax
	movl $0x501, %edx
	outl %eax, %dx
2:	hlt
	jmp 2b

	.balign 8
gdt:
	.8byte 0
	.8byte 0x00af9a000000ffff
gdt_ptr:
	.2byte 15
	.4byte AT(gdt)
prov_probe_guest_end:
	.byte 0
	.section .note.GNU-stack, "", @progbits
