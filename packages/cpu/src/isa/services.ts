// SPDX-License-Identifier: BSD-3-Clause
/**
 * Numbers of the services that generated code asks of TypeScript: rare work on segment registers, identification and time.
 * The TypeScript side is interp/services.ts.
 * @module
 */
/** Loads segment register a with selector b. */
export const SERVICE_LOAD_SEGMENT = 0;
/** Loads CS with selector a for a far jump or call; a call gate ends the instruction with EXIT_CALLGATE. */
export const SERVICE_FAR_TRANSFER = 1;
/** Loads CS with selector a for a far return. */
export const SERVICE_FAR_RETURN = 2;
/** CPUID: leaf in EAX, subleaf in ECX; results in EAX EBX ECX EDX. */
export const SERVICE_CPUID = 3;
/** RDTSC into EDX:EAX. */
export const SERVICE_RDTSC = 4;
/** Access rights of selector a for LAR into SERVICE_RESULT; SERVICE_OK tells whether it is accessible. */
export const SERVICE_LAR = 5;
/** Limit of selector a into SERVICE_RESULT; SERVICE_OK tells whether it is accessible. */
export const SERVICE_LSL = 6;
/** Whether selector a may be read: SERVICE_OK. */
export const SERVICE_VERR = 7;
/** Whether selector a may be written: SERVICE_OK. */
export const SERVICE_VERW = 8;
