// SPDX-License-Identifier: BSD-3-Clause
/**
 * The processor's state: where each register lives in the state block of its virtual CPU.
 *
 * The state block is 64 KiB of the machine's linear memory. Compiled code addresses it with constants, TypeScript through
 * typed arrays; there is no second copy of any register.
 *
 * Invariants
 *   S1  Offsets are relative to the state block and every word is 4-byte aligned, XMM registers 16-byte aligned.
 *   S2  ZERO holds 0 for ever: it is the base or index register of an address that has none.
 *   S3  The arithmetic flags are lazy (see isa/flag-kinds.ts): FLAGS_KIND says how they follow from FLAGS_P, FLAGS_Q,
 *       FLAGS_X and FLAGS_RES. DF is DIRECTION, all other bits of EFLAGS are in SYSFLAGS.
 *   S4  A null data segment has limit 0 and rights 0, so every access through it fails its check.
 *
 * Source of register layout: SDM vol. 1 §3.4, §8.1, §10.2.
 * @module
 */

/** General registers in encoding order: EAX ECX EDX EBX ESP EBP ESI EDI, a word each. */
export const GPR = 0x000;
export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const ESP = 4;
export const EBP = 5;
export const ESI = 6;
export const EDI = 7;

export const ZERO = 0x020;
/** Linear address computed by an address record for the record that follows it. */
export const EA = 0x024;
export const EIP = 0x028;
// Lazy flags, see isa/flag-kinds.ts. P and Q are adjacent and 8-byte aligned: some kinds clear both with one store.
export const FLAGS_KIND = 0x02c;
export const FLAGS_P = 0x030;
export const FLAGS_Q = 0x034;
export const FLAGS_RES = 0x038;
/** +1 when DF is clear, −1 when it is set. */
export const DIRECTION = 0x03c;
/** EFLAGS without the arithmetic flags and DF. */
export const SYSFLAGS = 0x040;
/** Linear-memory address of the flat translation table of the space that runs. */
export const TABLE = 0x044;
/** Budget and instruction counter in one word, see interp/dispatch.ts. */
export const COUNTER = 0x048;
/** Code directory of the current mode, as CodeStore.directoryOrigin() gives it. */
export const CODE_DIR = 0x04c;
/** Non-zero asks the processor to leave with EXIT_INTERRUPT. May be set from another thread. */
export const PENDING = 0x050;
export const EXIT_VECTOR = 0x054;
export const EXIT_ERROR = 0x058;
export const CR2 = 0x05c;
/** Set by a slow memory access that failed; the step function then leaves with X_EXCEPTION. */
export const FAULT = 0x060;
/** The bits of CR0 user code can feel: MP, EM, TS, NE. */
export const CR0 = 0x064;
/** The bits of CR4 user code can feel: TSD, OSFXSR, OSXMMEXCPT. */
export const CR4 = 0x068;
/** Results of services that answer a question (isa/services.ts). */
export const SERVICE_RESULT = 0x06c;
export const FLAGS_X = 0x070;
export const SERVICE_OK = 0x074;

/** Segment registers in encoding order ES CS SS DS FS GS: {selector, base, limit in bytes, rights}, 16 bytes each. */
export const SEG = 0x080;
export const SEG_SELECTOR = 0;
export const SEG_BASE = 4;
export const SEG_LIMIT = 8;
export const SEG_RIGHTS = 12;
export const SEG_BYTES = 16;
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;

/** XMM0…XMM7, 16 bytes each. */
export const XMM = 0x100;
/** Physical x87 registers R0…R7, 16 bytes each: significand (8), sign and exponent (2). MMi is the low half of Ri. */
export const X87 = 0x180;
export const FCW = 0x200;
/** Status word without TOP. */
export const FSW = 0x204;
/** Tags: bit i set = physical register i is not empty (the form of FXSAVE). */
export const FTW = 0x208;
/** TOP, 0…7. */
export const FTOP = 0x20c;
export const FOP = 0x210;
export const FIP = 0x214;
export const FCS = 0x218;
export const FDP = 0x21c;
export const FDS = 0x220;
export const MXCSR = 0x224;
/**
 * MXCSR as it nearly always is: all exceptions masked, rounding to nearest, denormals as they are, and PE set, which the first inexact
 * operation does. Then an operation on ordinary numbers with an ordinary result changes nothing but its destination.
 */
export const MXCSR_STEADY = 0x1fa0;
/** All but the flags IE, DE, ZE, OE and UE. */
export const MXCSR_STEADY_MASK = 0xffe0;
/** Scratch for operations that need memory of their own; never live between two instructions. */
export const SCRATCH = 0x240;
export const SCRATCH_BYTES = 0x100;

/** Linear-memory address of the table of region entries, see jit/jit.ts. Not a register: a reset leaves it. */
export const REGION_ENTRIES = 0x350;
/** How many passages from region to region are left until one is reported (X_PASSAGE). */
export const PASSAGES = 0x374;
/** How often regions have left because a window lay over a page end, since the last sample. */
export const CROSSINGS = 0x370;
/** After X_HOT: base page address and table index of the region that left for EIP. */
export const REGION_FROM = 0x358;
export const REGION_FROM_SLOT = 0x35c;
// Counters of compiled code, read and cleared by jit/statistics.ts. Not registers either.
/** Instructions retired by regions, in units of COUNTER. */
export const REGION_RETIRED = 0x360;
/** Ways from region to region that did not touch the interpreter's loop. */
export const REGION_CHAINED = 0x364;
/** How often regions came back, a word for each exit code of interp/exits.ts. */
export const REGION_EXITS = 0x380;
export const REGION_EXIT_CODES = 32;
/**
 * Epoch of the running space's translation table (MachineMemory.tableEpochs); 0 = nothing in the jump cache is valid. The word
 * before it is always 0: both together, and EIP there, are what a line of the jump cache begins with.
 */
export const EPOCH = 0x37c;
export const EPOCH_KEY = 0x378;
/** Linear-memory address of the jump cache, see interp/dispatch.ts. Not a register: a reset leaves it. */
export const JUMP_CACHE = 0x36c;

/** 256 words that CRC32 steps through, see isa/sse/sse42.ts. Written once. */
export const CRC_TABLE = 0x400;

/** Where slow accesses put what they read and take what they write, 16 bytes, and as many that may be overwritten. */
export const SLOW_BUFFER = 0x800;
// How generated code sees code pages; set once. See interp/slow-code.ts.
/** Distance of a translation entry's link in the reverse map from the entry. */
export const LINKS = 0x830;
/** Directory of cover maps, as CodeStore.coversOrigin gives it. */
export const COVERS = 0x834;
/** Non-zero when no other processor of the machine may hold decoded code. */
export const ALONE = 0x838;
/** How many stores with slow access went to code pages without hitting code; the instruction of one that is reported. */
export const QUIET_STORES = 0x83c;
export const QUIET_STORE_EIP = 0x840;

// EFLAGS, SDM vol. 1 §3.4.3
export const CF = 0x0001;
export const PF = 0x0004;
export const AF = 0x0010;
export const ZF = 0x0040;
export const SF = 0x0080;
export const TF = 0x0100;
export const IF = 0x0200;
export const DF = 0x0400;
export const OF = 0x0800;
export const IOPL = 0x3000;
export const NT = 0x4000;
export const RF = 0x1_0000;
export const VM = 0x2_0000;
export const AC = 0x4_0000;
export const ID = 0x20_0000;
/** Bit 1 of EFLAGS, always 1. */
export const EFLAGS_FIXED = 0x0002;
export const ARITHMETIC_FLAGS = CF | PF | AF | ZF | SF | OF;
/** What POPFD may change at CPL 3 and IOPL 0, SDM vol. 2B, POPF. */
export const POPF_MASK = ARITHMETIC_FLAGS | TF | DF | NT | AC | ID;

// CR0 and CR4, SDM vol. 3A §2.5
export const CR0_MP = 0x02;
export const CR0_EM = 0x04;
export const CR0_TS = 0x08;
export const CR0_NE = 0x20;
export const CR4_TSD = 0x004;
export const CR4_OSFXSR = 0x200;
export const CR4_OSXMMEXCPT = 0x400;
