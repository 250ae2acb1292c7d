// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kinds of items for the fuzzer's programs beyond plain integer code: functions that return the bytes of one item.
 *
 * `g` has the random numbers `r` and the operand makers of the program generator: memory(reg) and aligned(reg) make ModRM bytes of
 * memory operands, operand(reg, rm) those of either, define() a comparison that defines all flags (FZ2), source() any register, free()
 * one that holds nothing that must stay, `inLoop` tells whether ECX counts.
 * @module
 */
const LAHF = 0x9f;
const ADDRESS_SIZE = 0x67;
/** Size of the writable data pages behind FS. */
const DATA_BYTES = 0x2000;

function le16(n) {
  return [n & 255, (n >> 8) & 255];
}
function le32(n) {
  return [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, (n >>> 24) & 255];
}

/** AF, made visible where it is defined: arithmetic with LAHF behind it. */
function auxiliary({ r, operand, memory, free, source }) {
  const wide = r.chance(50) ? 1 : 0;
  const prefix = wide === 1 && r.chance(30) ? [0x66] : [];
  const op = r.pick([0x00, 0x10, 0x18, 0x28, 0x38]);
  switch (r.below(5)) {
    case 0:
      return [...prefix, op | 2 | wide, ...operand(wide ? free() : r.pick([0, 2, 6]), wide ? source() : r.below(8)), LAHF];
    case 1:
      return [...prefix, op | wide, ...memory(wide ? source() : r.below(8)), LAHF];
    case 2:
      return [...prefix, 0xf6 | wide, ...memory(3), LAHF];
    case 3:
      return [...(r.chance(40) ? [0xf0] : []), ...prefix, 0x0f, 0xc0 | wide, ...memory(r.pick([0, 2])), LAHF];
    default:
      return [...(r.chance(40) ? [0xf0] : []), ...prefix, 0x0f, 0xb0 | wide, ...memory(r.pick([0, 2])), LAHF];
  }
}

function decimal({ r, define }) {
  const adjust = r.pick([[0x27], [0x2f], [0x37], [0x3f]]);
  if (r.chance(30)) return [r.pick([0xd4, 0xd5]), r.pick([10, 16, 7, r.below(256)]), ...define()];
  return [r.pick([0x04, 0x2c]), r.below(256), ...adjust, ...define()];
}

/** 16-bit operands. */
function halves({ r, operand, memory, free, source, define }) {
  switch (r.below(7)) {
    case 0:
      return [0x66, 0xb8 | free(), ...le16(r.next())];
    case 1:
      return [0x66, (r.chance(50) ? 0x40 : 0x48) | free()];
    case 2:
      return [0x66, r.chance(50) ? 0x50 | source() : 0x58 | free()];
    case 3:
      return [0x66, 0x81, ...memory(r.below(8)), ...le16(r.next()), ...define()];
    case 4:
      return [0x66, r.pick([0x69]), ...operand(free(), source()), ...le16(r.next()), ...define()];
    case 5:
      return [0x66, r.pick([0xd1, 0xd3]), ...operand(r.below(8), free()), ...define()];
    default:
      return [0x66, r.pick([0x98, 0x99])];
  }
}

/** Wide multiplications and divisions, bit operations on memory, exchanges. */
function memoryForms({ r, operand, memory, free, source, define }) {
  const lock = r.chance(30) ? [0xf0] : [];
  switch (r.below(9)) {
    case 0:
      return [0xf6, ...operand(r.pick([4, 5, 6, 7]), r.below(8)), ...define()];
    case 1:
      return [r.pick([0x69, 0x6b])].flatMap((op) => [op, ...operand(free(), source()), ...(op === 0x69 ? le32(r.value()) : [r.below(256)]), ...define()]);
    case 2:
      return [...(lock.length > 0 ? lock : []), 0x0f, 0xba, ...memory(5 + r.below(3)), r.below(256), 0x0f, 0x92, 0xc0, ...define()];
    case 3:
      return [0x0f, r.pick([0xa3, 0xab, 0xb3, 0xbb]), ...memory(free()), 0x0f, 0x92, 0xc2, ...define()];
    case 4:
      return [...lock, 0x0f, 0xc7, ...memory(1)];
    case 5:
      return [0x0f, r.pick([0xa4, 0xac]), ...memory(source()), r.below(32), ...define()];
    case 6:
      return [0x8f, ...memory(0)];
    case 7:
      return [r.pick([0xd0, 0xd1, 0xc0, 0xc1].slice(0, 2)), ...memory(r.below(8)), ...define()];
    default:
      return [0xd7];
  }
}

function rarities({ r, memory, inLoop, source, define }) {
  switch (r.below(9)) {
    case 0:
      return [0xc8, ...le16(r.below(64)), r.below(4)];
    case 1:
      return [0xc9];
    case 2:
      return inLoop ? [0x90] : [r.pick([0xe0, 0xe1, 0xe2]), 0];
    case 3:
      return [...(r.chance(40) ? [ADDRESS_SIZE] : []), 0xe3, 0];
    case 4:
      return [0x9e, ...define()];
    case 5:
      return [0x62, ...memory(r.pick([0, 2]))];
    case 6:
      return [...define(), 0xce];
    case 7:
      return [0x6a, r.below(256), 0x66, 0x68, ...le16(r.next())];
    default:
      return [0x0f, r.pick([0xb0, 0xb1, 0xc0, 0xc1].slice(2)), 0xc0 | (r.pick([0, 2]) << 3) | (source() & 2), ...define()];
  }
}

// ---------------------------------------------------------------------------------------------------------- segments

/** Segment overrides: FS begins at the data pages, GS inside them with a limit of a page; 16-bit addresses with them. */
function segments({ r, free, source, memory }) {
  const override = r.pick([0x64, 0x64, 0x65]);
  const ops = [[0x8b], [0x89], [0x03], [0x29], [0x0f, 0xb6], [0x0f, 0xbf], [0x88], [0x8a]];
  const op = r.pick(ops);
  const reg = (op[0] === 0x89 || op[0] === 0x29 ? source() : op[0] === 0x88 || op[0] === 0x8a ? r.pick([0, 2, 6]) : free()) << 3;
  switch (r.below(4)) {
    case 0:
      return [override, ...op, 0x05 | reg, ...le32(r.below(override === 0x64 ? DATA_BYTES + 8 : 0x1008))];
    case 1: {
      const rm = r.below(8);
      const mod = r.pick([0, 0x40, 0x80]);
      const disp = mod === 0x40 ? [r.below(256)] : mod === 0x80 || rm === 6 ? le16(r.below(0x200)) : [];
      return [override, ADDRESS_SIZE, ...op, mod | reg | rm, ...disp];
    }
    case 2:
      return [r.pick([0x2e, 0x36, 0x3e, 0x26]), 0x8b, ...memory(free())];
    default: {
      const rm = r.below(8);
      return [ADDRESS_SIZE, 0x8d, 0x80 | (free() << 3) | rm, ...le16(r.next())];
    }
  }
}

// ------------------------------------------------------------------------------------------------------------ x87, MMX

/** Comparisons with their condition codes made visible. */
function x87Compare({ r }) {
  const status = [0xdf, 0xe0, 0x25, 0x00, 0x45, 0x00, 0x00];
  switch (r.below(5)) {
    case 0:
      return [r.pick([0xd8]), r.pick([0xd0, 0xd8]) | r.below(8), ...status];
    case 1:
      return [0xdd, r.pick([0xe0, 0xe8]) | r.below(8), ...status];
    case 2:
      return [...r.pick([[0xda, 0xe9], [0xd9, 0xe4], [0xd9, 0xe5], [0xde, 0xd9]]), ...status];
    case 3:
      return [r.pick([0xdb, 0xdf]), r.pick([0xe8, 0xf0]) | r.below(8)];
    default:
      return [r.pick([0xda, 0xdb]), r.pick([0xc0, 0xc8, 0xd0, 0xd8]) | r.below(8)];
  }
}
/** Operations on memory of every format and at any address, and those on registers that are exact. */
function x87({ r, memory }) {
  switch (r.below(9)) {
    case 0:
    case 1:
      return [r.pick([0xd8, 0xdc, 0xda, 0xde]), ...memory(r.below(8))];
    case 2:
      return [0xd9, ...memory(r.pick([0, 2, 3]))];
    case 3:
      return [0xdd, ...memory(r.below(4))];
    case 4:
      return [0xdf, ...memory(r.pick([0, 1, 2, 3, 4, 5, 6, 7]))];
    case 5:
      return [0xdb, ...memory(r.pick([0, 1, 2, 3, 5, 7]))];
    case 6:
      return [r.pick([0xdc, 0xde]), r.pick([0xc0, 0xc8, 0xe0, 0xe8, 0xf0, 0xf8]) | r.below(8)];
    case 7:
      return [0xd9, r.pick([0xe0, 0xe1, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xf4, 0xf6, 0xf7, 0xfa, 0xfc, 0xfd])];
    default:
      return r.pick([[0xdd, 0xc0 | r.below(8)], [0xd9, 0xc8 | r.below(8)], [0xdd, 0xd0 | r.below(8)], [0xdb, 0xe2], [0xd9, 0xc0 | r.below(8)], [0x9b]]);
  }
}
function x87Control({ r }) {
  const masks = r.chance(25) ? r.below(64) : 0x3f;
  const word = 0x40 | masks | (r.pick([0, 2, 3]) << 8) | (r.below(4) << 10);
  // push word; fldcw [esp]; pop eax
  return [0x68, ...le32(word), 0xd9, 0x2c, 0x24, 0x58];
}
const PACKED = [
  ...[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x74, 0x75, 0x76, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd8, 0xd9],
  ...[0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf2],
  ...[0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe],
];
function mmx({ r, operand, free }) {
  const reg = r.below(8);
  switch (r.below(7)) {
    case 0:
      return [0x0f, r.pick([0x6f, 0x7f]), ...operand(reg, r.below(8))];
    case 1:
      return [0x0f, r.pick([0x6e, 0x7e]), ...operand(reg, free())];
    case 2:
      return [0x0f, r.pick([0x71, 0x72]), 0xc0 | (r.pick([2, 4, 6]) << 3) | reg, r.below(40)];
    case 3:
      return [0x0f, 0x70, ...operand(reg, r.below(8)), r.below(256)];
    case 4:
      return [0x0f, 0x38, r.pick([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x1c, 0x1d, 0x1e]), ...operand(reg, r.below(8))];
    case 5:
      return r.chance(40) ? [0x0f, 0x77] : [0x0f, 0xd7, 0xc0 | (free() << 3) | reg];
    default:
      return [0x0f, r.pick(PACKED), ...operand(reg, r.below(8))];
  }
}

// ----------------------------------------------------------------------------------------------------------------- SSE

function sse({ r, operand, memory, free }) {
  const reg = r.below(8);
  const rm = r.below(8);
  const scalar = r.pick([[], [0x66], [0xf2], [0xf3]]);
  const any = () => operand(reg, rm);
  switch (r.below(11)) {
    case 0:
      return [...scalar, 0x0f, r.pick([0x51, 0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f]), ...any()];
    case 1:
      return [...scalar, 0x0f, 0xc2, ...any(), r.below(8)];
    case 2:
      return [...r.pick([[], [0x66]]), 0x0f, r.pick([0x14, 0x15, 0x54, 0x55, 0x56, 0x57, 0x2e, 0x2f, 0x5b]), ...any()];
    case 3:
      return [...r.pick([[], [0x66]]), 0x0f, 0xc6, ...any(), r.below(256)];
    case 4:
      return [...scalar, 0x0f, r.pick([0x10, 0x11, 0x5a]), ...any()];
    case 5:
      return [...r.pick([[], [0x66]]), 0x0f, r.pick([0x12, 0x13, 0x16, 0x17]), ...memory(reg)];
    case 6:
      return [...r.pick([[0xf2], [0xf3]]), 0x0f, 0x2a, ...operand(reg, free())];
    case 7:
      return [...r.pick([[0xf2], [0xf3]]), 0x0f, r.pick([0x2c, 0x2d]), ...operand(free(), rm)];
    case 8:
      return [...r.pick([[0x66], [0xf2], [0xf3]]), 0x0f, 0xe6, ...any()];
    case 9:
      return [...r.pick([[0x66], [0xf2], [0xf3]]), 0x0f, 0x70, ...any(), r.below(256)];
    default:
      return [0x66, 0x0f, r.pick(PACKED), ...any()];
  }
}
function sseMore({ r, operand, free, aligned }) {
  const reg = r.below(8);
  const rm = r.below(8);
  const any = () => (r.chance(30) ? aligned(reg) : [0xc0 | (reg << 3) | rm]);
  switch (r.below(8)) {
    case 0:
      return [0x66, 0x0f, 0x38, r.pick([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x1c, 0x1d, 0x1e]), ...any()];
    case 1: {
      const ops = [0x10, 0x14, 0x15, 0x17, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2b, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x37];
      return [0x66, 0x0f, 0x38, r.pick([...ops, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41]), ...any()];
    }
    case 2:
      return [0x66, 0x0f, 0x3a, r.pick([0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x21, 0x42]), ...any(), r.below(256)];
    case 3:
      return [0x66, 0x0f, 0x3a, r.pick([0x14, 0x15, 0x16, 0x17, 0x20, 0x22]), ...operand(reg, free()), r.below(256)];
    case 4:
      return r.pick([[0xf2, 0x0f, 0x38, r.pick([0xf0, 0xf1]), ...operand(free(), r.pick([0, 2]))], [0xf3, 0x0f, 0xb8, ...operand(free(), r.below(8))]]);
    case 5:
      return [0x66, 0x0f, r.pick([0xd7, 0x50]), 0xc0 | (free() << 3) | rm];
    case 6:
      return [0x66, 0x0f, 0xc4, ...operand(reg, free()), r.below(256)];
    default:
      return [0x66, 0x0f, r.pick([0x71, 0x72]), 0xc0 | (r.pick([2, 4, 6]) << 3) | reg, r.below(40)];
  }
}
/** Opcodes behind 0F 38: SSE4.1 and PCMPGTQ on two xmm registers or one and aligned memory, and extensions from less memory. */
const SSE4_PACKED = [
  0x10, 0x14, 0x15, 0x17, 0x28, 0x29, 0x2b, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41,
];
const SSE4_EXTENSIONS = [0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35];
function sse4({ r, operand, free, memory, aligned, inLoop }) {
  const reg = r.below(8);
  const rm = r.below(8);
  const either = (to) => (r.chance(40) ? aligned(to) : [0xc0 | (to << 3) | rm]);
  const general = (to) => (r.chance(50) ? memory(to) : [0xc0 | (to << 3) | free()]);
  switch (r.below(9)) {
    case 0:
      return [0x66, 0x0f, 0x38, r.pick(SSE4_EXTENSIONS), ...operand(reg, rm)];
    case 1:
      return [0x66, 0x0f, 0x3a, r.pick([0x08, 0x09, 0x0c, 0x0d, 0x0e, 0x40, 0x41, 0x42]), ...either(reg), r.below(256)];
    case 2:
      return [0x66, 0x0f, 0x3a, r.pick([0x0a, 0x0b, 0x21]), ...operand(reg, rm), r.below(256)];
    case 3:
      return [0x66, 0x0f, 0x3a, r.pick([0x14, 0x15, 0x16, 0x17]), ...general(reg), r.below(256)];
    case 4:
      return [0x66, 0x0f, 0x3a, r.pick([0x20, 0x22]), ...general(reg), r.below(256)];
    case 5:
      // Those with an index as their result write the loops' counter.
      return [0x66, 0x0f, 0x3a, r.pick(inLoop ? [0x60, 0x62] : [0x60, 0x61, 0x62, 0x63]), ...operand(reg, rm), r.below(128)];
    case 6:
      return [...(r.chance(30) ? [0x66] : []), 0xf2, 0x0f, 0x38, r.pick([0xf0, 0xf1]), ...operand(free(), 0)];
    case 7:
      return [...(r.chance(30) ? [0x66] : []), 0xf3, 0x0f, 0xb8, ...operand(free(), r.below(8))];
    default:
      return [0x66, 0x0f, 0x38, r.pick(SSE4_PACKED), ...either(reg)];
  }
}
function sseControl({ r }) {
  const masks = r.chance(20) ? r.below(64) << 7 : 0x1f80;
  const word = masks | (r.below(4) << 13) | (r.chance(20) ? 0x8000 : 0) | (r.chance(20) ? 0x40 : 0);
  // push word; ldmxcsr [esp]; pop eax
  return [0x68, ...le32(word), 0x0f, 0xae, 0x14, 0x24, 0x58];
}

/** Kinds with their weights. */
export const KINDS = [
  [10, auxiliary],
  [3, decimal],
  [8, halves],
  [10, memoryForms],
  [4, rarities],
  [9, segments],
  [8, x87Compare],
  [16, x87],
  [3, x87Control],
  [10, mmx],
  [16, sse],
  [9, sseMore],
  [8, sse4],
  [3, sseControl],
];
export const KINDS_WEIGHT = KINDS.reduce((sum, [weight]) => sum + weight, 0);
