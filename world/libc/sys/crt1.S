/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Process entry. At entry esp points at argc, argv[], NULL, envp[], NULL, auxv (exec.md: DragonFly's initial
 * stack); edx would hold a dynamic linker's exit function and is 0 here, since the world is static.
 *
 * The note marks the file as DragonFly's: releases up to 2.10 refuse an unbranded static binary.
 */
	.section .note.ABI-tag, "a", @note
	.balign	4
	.long	10		/* namesz, NUL included */
	.long	4		/* descsz */
	.long	1		/* type: ABI tag */
	.asciz	"DragonFly"
	.balign	4
	.long	200000		/* __DragonFly_version of 2.0 */

	.text
	.globl	_start
	.type	_start, @function
_start:
	xorl	%ebp, %ebp
	movl	%esp, %eax
	andl	$-16, %esp
	subl	$12, %esp
	pushl	%eax
	call	__start
	hlt

	.section .note.GNU-stack, "", @progbits
