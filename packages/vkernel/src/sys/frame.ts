// SPDX-License-Identifier: BSD-3-Clause
/**
 * Word indices of a trapframe, selectors and flag bits of user mode (DragonFly 2.0 sys/cpu/i386/include/frame.h,
 * psl.h, segments.h).
 * @module
 */

export const TF_GS = 0;
export const TF_FS = 1;
export const TF_ES = 2;
export const TF_DS = 3;
export const TF_EDI = 4;
export const TF_ESI = 5;
export const TF_EBP = 6;
export const TF_ISP = 7;
export const TF_EBX = 8;
export const TF_EDX = 9;
export const TF_ECX = 10;
export const TF_EAX = 11;
export const TF_XFLAGS = 12;
export const TF_TRAPNO = 13;
export const TF_ERR = 14;
export const TF_EIP = 15;
export const TF_CS = 16;
export const TF_EFLAGS = 17;
export const TF_ESP = 18;
export const TF_SS = 19;

export const UCODE_SEL = 0x1f;
export const UDATA_SEL = 0x2f;
/** First of the three TLS slots of the GDT; their selectors are 0x7b, 0x83, 0x8b. */
export const GTLS_START = 15;

export const PSL_C = 0x1;
export const PSL_T = 0x100;
export const PSL_D = 0x400;
export const PSL_RF = 0x1_0000;
/** CF PF AF ZF SF TF DF OF NT AC ID */
export const PSL_USERCHANGE = 0x24_4dd5;
export const PSL_USER = 0x202;
