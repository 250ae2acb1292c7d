// SPDX-License-Identifier: BSD-3-Clause
/**
 * Random cases of SSE4.1, SSE4.2 and POPCNT: one instruction each, with what it needs around it.
 *
 * A case is code at `ip`: LDMXCSR with a value that lies behind the code, the instruction at offset `at`, INT3. Its memory operand
 * lies behind the code too, or where it faults. What an instruction stores is loaded into `window.xmm` again.
 * @module
 */
const CODE = 0x1000_0100;
const PAGE_END = 0x1000_1000;
/** Offsets from ip of what lies behind the code. */
const OPERAND = 0x40;
const CONTROL = 0x70;
const CODE_BYTES = 0x80;
const WINDOW = 0x2000_0100;
const WINDOW_XMM = 7;
const READ_ONLY = 0x2000_3000;
/** Nothing is mapped there; from 8 bytes before it an operand starts in memory and ends outside. */
const HOLE = 0x2000_2000;
const DEFAULT_MXCSR = 0x1f80;

const le32 = (n) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, (n >>> 24) & 255];

// ------------------------------------------------------------------------- values

const SINGLES = [
  0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x3f00_0000, 0xbf00_0000, 0x4020_0000, 0x7f80_0000, 0xff80_0000,
  0x7fc0_0000, 0x7f80_0001, 0xffa0_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x7f7f_ffff, 0x4b00_0001,
];
function single(r) {
  if (r.chance(25)) return r.pick(SINGLES);
  // Numbers of like size, so that sums cancel and roundings matter.
  return (
    ((r.below(2) << 31) |
      ((120 + r.below(16)) << 23) |
      (r.next() & (r.chance(50) ? 0x7f_ffff : 0x70_0000))) >>>
    0
  );
}
const DOUBLE_HEADS = [
  0, 0x8000_0000, 0x3ff0_0000, 0xbff0_0000, 0x3fe0_0000, 0xbfe0_0000, 0x7ff0_0000, 0xfff0_0000, 0x7ff8_0000,
  0x7ff0_0001, 0x0000_0001, 0x8000_ffff, 0x0010_0000, 0x7fef_ffff, 0x4330_0000,
];
function double(r) {
  if (r.chance(25)) return [r.pick([0, 0, 1]), r.pick(DOUBLE_HEADS)];
  const low = r.chance(50) ? r.next() : 0;
  const head = ((r.below(2) << 31) | ((1016 + r.below(16)) << 20) | (r.next() & 0xf_ffff)) >>> 0;
  return [low, r.chance(30) ? (head & 0xfffc_0000) >>> 0 : head];
}
const EDGES = [
  0, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 0x0080_0080, 0xff7f_807f, 0x8000_7fff, 0x0001_0000, 0xfffe_0001,
];
function word(r) {
  if (r.chance(30)) return r.pick(EDGES);
  return r.chance(30) ? (r.below(256) * 0x0101_0101) >>> 0 : r.next();
}
/** Text of a small alphabet with an end somewhere, so that strings match. */
function text(r, isWords) {
  const bytes = new Uint8Array(16);
  const n = isWords ? 8 : 16;
  const end = r.chance(60) ? r.below(n + 1) : n;
  const kinds = r.pick([2, 4, 250]);
  for (let i = 0; i < n; i++) {
    const c = i === end ? 0 : kinds === 250 ? r.below(256) : 0x60 + r.below(kinds);
    if (isWords) {
      bytes[2 * i] = c;
      bytes[2 * i + 1] = kinds === 250 ? r.below(256) : 0;
      if (i === end) bytes[2 * i + 1] = 0;
    } else bytes[i] = c;
  }
  return [...new Uint32Array(bytes.buffer)];
}
const four = (r, one) => [one(r), one(r), one(r), one(r)];
const VALUES = {
  integer: (r) => four(r, word),
  single: (r) => four(r, single),
  double: (r) => [...double(r), ...double(r)],
  bytes: (r) => text(r, false),
  words: (r) => text(r, true),
};

/** MXCSR: mostly usual, with and without PE; else other roundings, DAZ, FTZ, exceptions unmasked. */
function control(r) {
  const kind = r.below(10);
  if (kind < 3) return DEFAULT_MXCSR;
  if (kind < 6) return DEFAULT_MXCSR | 0x20;
  const rounding = r.below(4) << 13;
  const zeros = (r.chance(30) ? 0x40 : 0) | (r.chance(30) ? 0x8000 : 0);
  return (r.chance(70) ? DEFAULT_MXCSR : r.below(64) << 7) | rounding | zeros;
}

// -------------------------------------------------------------------------- cases

/**
 * A maker of cases.
 *
 * @param bytes of the memory operand; 0 = there is only the register form
 * @param options group, kind of values, whether memory must be aligned, the register operands are general ones, it stores
 */
function instruction(name, prefix, opcode, bytes, options) {
  const { group, kind = "integer", aligned = bytes === 16, general = false, stores = false } = options;
  const { immediate = false, memoryOnly = false, mxcsr = false, size16 = false } = options;
  return (r) => {
    const values = VALUES[kind];
    const ip = r.chance(10) ? PAGE_END - 16 * (1 + r.below(8)) : CODE;
    const gpr = Array.from({ length: 8 }, () => (r.chance(40) ? r.below(20) : r.next()));
    if (r.chance(20)) gpr[r.pick([0, 2])] = -r.below(20) >>> 0;
    gpr[4] = 0x3000_0800;
    const inMemory = bytes !== 0 && (memoryOnly || r.chance(50));
    const reg = stores || !general ? r.below(WINDOW_XMM) : r.pick([0, 1, 2, 3, 5, 6, 7]);
    const prologue = mxcsr ? [0x0f, 0xae, 0x15, ...le32(ip + CONTROL)] : [];
    if (stores && inMemory) prologue.push(0x0f, 0x11, 0x3d, ...le32(WINDOW));
    const wide = size16 && r.chance(30) ? [0x66] : [];
    const length = wide.length > 0 ? 2 : bytes;
    let address = ip + OPERAND;
    if (stores) address = WINDOW + r.below(17 - bytes);
    else if (!aligned || r.chance(5)) address += r.below(16);
    if (r.chance(4)) address = r.chance(50) ? HOLE - r.below(length || 1) : stores ? READ_ONLY : HOLE + 16;
    const rm = r.below(general || stores ? 4 : 8);
    // Only what may be looked at has a value: files stay small.
    const used = new Set([0, reg, rm, ...(stores ? [WINDOW_XMM] : [])]);
    const xmm = Array.from({ length: 8 }, (_, i) => (used.has(i) ? values(r) : [0, 0, 0, 0])).flat();
    const modrm = inMemory ? [0x05 | (reg << 3), ...le32(address)] : [0xc0 | (reg << 3) | rm];
    const code = new Uint8Array(CODE_BYTES).fill(0xcc);
    const body = [...wide, ...prefix, ...opcode, ...modrm, ...immediateBytes(r, immediate)];
    const epilogue = stores && inMemory ? [0x0f, 0x10, 0x3d, ...le32(WINDOW)] : [];
    code.set([...prologue, ...body, ...epilogue]);
    if (inMemory && !stores)
      code.set(new Uint8Array(Uint32Array.from([...values(r), ...values(r)]).buffer), OPERAND);
    if (mxcsr) code.set(le32(control(r)), CONTROL);
    const flags = 0x202 | (r.next() & 0x8d5);
    const test = { group, name, at: prologue.length, ip, gpr, flags, xmm, code };
    return stores && inMemory ? { ...test, window: { at: WINDOW, xmm: WINDOW_XMM } } : test;
  };
}
/** `immediate`: false = none, true = any, or the one. */
function immediateBytes(r, immediate) {
  if (immediate === false) return [];
  return [immediate === true ? r.below(256) : immediate];
}

const SSE41 = { group: "sse4.1" };
const P66 = [0x66];
const op38 = (n) => [0x0f, 0x38, n];
const op3a = (n) => [0x0f, 0x3a, n];

const BINARY = [
  ["pmuldq", 0x28],
  ["pcmpeqq", 0x29],
  ["packusdw", 0x2b],
  ["pminsb", 0x38],
  ["pminsd", 0x39],
  ["pminuw", 0x3a],
  ["pminud", 0x3b],
  ["pmaxsb", 0x3c],
  ["pmaxsd", 0x3d],
  ["pmaxuw", 0x3e],
  ["pmaxud", 0x3f],
  ["pmulld", 0x40],
  ["phminposuw", 0x41],
  ["ptest", 0x17],
  ["pblendvb", 0x10],
  ["blendvps", 0x14],
  ["blendvpd", 0x15],
];
const EXTENSIONS = ["bw", "bd", "bq", "wd", "wq", "dq"];
const EXTENSION_BYTES = [8, 4, 2, 8, 4, 8];

/** Text comparison with one of the 128 immediates that differ, and values to match. */
function comparison(name, opcode) {
  return (r) => {
    const imm = r.below(128);
    const kind = (imm & 1) !== 0 ? "words" : "bytes";
    return instruction(name, P66, op3a(opcode), 16, {
      group: "sse4.2",
      kind,
      aligned: false,
      immediate: imm,
    })(r);
  };
}
const COMPARISONS = [
  ["pcmpestrm", 0x60],
  ["pcmpestri", 0x61],
  ["pcmpistrm", 0x62],
  ["pcmpistri", 0x63],
];

export const CASES = [
  ...BINARY.map(([name, n]) => instruction(name, P66, op38(n), 16, SSE41)),
  instruction("movntdqa", P66, op38(0x2a), 16, { ...SSE41, memoryOnly: true }),
  ...[0x20, 0x30].flatMap((base) =>
    EXTENSIONS.map((e, i) =>
      instruction(`pmov${base === 0x20 ? "s" : "z"}x${e}`, P66, op38(base + i), EXTENSION_BYTES[i], {
        ...SSE41,
        aligned: false,
      }),
    ),
  ),
  ...[
    ["blendps", 0x0c],
    ["blendpd", 0x0d],
    ["pblendw", 0x0e],
    ["mpsadbw", 0x42],
    ["mpsadbw", 0x42],
  ].map(([name, n]) => instruction(name, P66, op3a(n), 16, { ...SSE41, immediate: true })),
  instruction("insertps", P66, op3a(0x21), 4, { ...SSE41, immediate: true }),
  instruction("pinsrb", P66, op3a(0x20), 1, { ...SSE41, immediate: true }),
  instruction("pinsrd", P66, op3a(0x22), 4, { ...SSE41, immediate: true }),
  ...[
    ["pextrb", 0x14, 1],
    ["pextrw", 0x15, 2],
    ["pextrd", 0x16, 4],
    ["extractps", 0x17, 4],
  ].map(([name, n, bytes]) =>
    instruction(name, P66, op3a(n), bytes, { ...SSE41, immediate: true, stores: true }),
  ),
  ...[
    ["roundps", 0x08, 16, "single"],
    ["roundpd", 0x09, 16, "double"],
    ["roundss", 0x0a, 4, "single"],
    ["roundsd", 0x0b, 8, "double"],
    ["dpps", 0x40, 16, "single"],
    ["dppd", 0x41, 16, "double"],
  ].flatMap(([name, n, bytes, kind]) =>
    [1, 2, 3, 4].map(() =>
      instruction(name, P66, op3a(n), bytes, { group: "sse4.1-fp", kind, immediate: true, mxcsr: true }),
    ),
  ),
  instruction("pcmpgtq", P66, op38(0x37), 16, { group: "sse4.2" }),
  ...COMPARISONS.flatMap(([name, n]) => Array.from({ length: 20 }, () => comparison(name, n))),
  instruction("crc32 b", [0xf2], op38(0xf0), 1, { group: "sse4.2", general: true }),
  instruction("crc32 v", [0xf2], op38(0xf1), 4, { group: "sse4.2", general: true, size16: true }),
  instruction("popcnt", [0xf3], [0x0f, 0xb8], 4, { group: "sse4.2", general: true, size16: true }),
];
