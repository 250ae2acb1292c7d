// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { VREG } from "../../vfs/vnode.ts";
import { encodeRusage, Rusage } from "../../kern/resource.ts";
import { direntSize, encodeDirent, encodeStat, encodeStat12, off64At } from "./guest-struct.ts";
import { TRAMPOLINE, TRAMPOLINE_ADDRESS } from "./sigframe.ts";
import { DRAGONFLY_SYSENT, SYSENT_SIZE, TWO_WORDS } from "./sysent.ts";

const VA = {
  type: VREG, mode: 0o6755, nlink: 3, uid: 1000, gid: 20, fsid: 7, fileid: 2 ** 40 + 5, size: 5 * 2 ** 30, blocksize: 16384, bytes: 1025,
  rdev: 0, flags: 2, atimeSec: 1, atimeNsec: 2, mtimeSec: 3, mtimeNsec: 4, ctimeSec: 5, ctimeNsec: 6,
} as const;

describe("the table (syscalls.master of 2.0 and its additions)", () => {
  /** Numbers that never were calls, or were given back before 2.0: they end in SIGSYS. */
  const HOLES = [
    0, 11, 46, 48, 52, 67, 68, 76, 77, 91, 94, 103, 107, 111, 115, 119, 139, 151, 152, 153, 154, 159, 160, 167, 168, 172, 175, 177, 178, 179, 180,
    184, 185, 186, 187, 193, 198, 208, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 223, 235, 236, 237, 238, 239, 241, 242, 243, 244, 245,
    246, 247, 248, 249, 255, 256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270, 271, 273, 278, 279, 280, 281, 282, 283,
    284, 285, 286, 287, 288, 291, 292, 293, 294, 295, 296, 313, 336, 339,
  ];

  it("has a row for every number that was ever assigned, and no other", () => {
    const holes: number[] = [];
    for (let nr = 0; nr < SYSENT_SIZE; nr++) if (DRAGONFLY_SYSENT[nr] === undefined) holes.push(nr);
    const later = holes.filter((nr) => nr > 339);
    expect(holes.filter((nr) => nr <= 339)).toEqual(HOLES);
    // 365-391 but lchflags, and 394-449, were never assigned.
    expect(later).toEqual([...range(365, 390), ...range(394, 449)]);
    expect(DRAGONFLY_SYSENT.length).toBe(SYSENT_SIZE);
  });

  it.each([
    [3, "read", 3], [5, "open", 3], [7, "wait4", 4], [20, "getpid", 0], [42, "pipe", 0], [54, "ioctl", 3], [59, "execve", 3], [173, "extpread", 6],
    [197, "mmap", 8], [199, "lseek", 5], [200, "truncate", 4], [201, "ftruncate", 4], [202, "__sysctl", 6], [289, "extpreadv", 6], [342, "sigaction", 3],
    [344, "sigreturn", 1], [469, "umtx_sleep", 3], [472, "set_tls_area", 3], [479, "getdirentries", 4], [494, "extexit", 3], [499, "pselect", 6],
  ])("%i %s reads %i words", (nr, name, words) => {
    expect(DRAGONFLY_SYSENT[nr]!.name).toBe(name);
    expect(DRAGONFLY_SYSENT[nr]!.nwords).toBe(words);
  });

  it("rows without an implementation say what is missing", () => {
    for (const row of DRAGONFLY_SYSENT) if (row !== undefined && row.support === "none") expect(row.note, row.name).not.toBe("");
  });

  it("two-word results are those of fork, pipe and 64-bit calls", () => {
    expect(TWO_WORDS.map((nr) => DRAGONFLY_SYSENT[nr]!.name)).toEqual(["fork", "pipe", "vfork", "owait", "lseek", "rfork"]);
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

describe("structures", () => {
  it("struct stat, 104 bytes", () => {
    const dv = new DataView(encodeStat(VA).buffer);
    expect(dv.byteLength).toBe(104);
    expect(dv.getBigUint64(0, true)).toBe(2n ** 40n + 5n);
    expect([8, 12, 20, 24, 28].map((at) => dv.getUint32(at, true))).toEqual([3, 7, 1000, 20, 0]);
    expect(dv.getUint16(16, true)).toBe(0o106755);
    expect([32, 36, 40, 44, 48, 52].map((at) => dv.getInt32(at, true))).toEqual([1, 2, 3, 4, 5, 6]);
    expect([56, 64].map((at) => dv.getBigInt64(at, true))).toEqual([5n << 30n, 3n]);
    expect([72, 76].map((at) => dv.getUint32(at, true))).toEqual([16384, 2]);
  });

  it("the stat of releases before 1.4, 96 bytes", () => {
    const dv = new DataView(encodeStat12(VA).buffer);
    expect(dv.byteLength).toBe(96);
    expect([dv.getUint32(4, true), dv.getUint16(8, true), dv.getUint16(10, true), dv.getBigInt64(48, true)]).toEqual([5, 0o106755, 3, 5n << 30n]);
  });

  it("struct dirent: the size follows from the name", () => {
    expect([1, 7, 8, 15, 255].map(direntSize)).toEqual([24, 24, 32, 32, 272]);
    const b = new Uint8Array(64);
    expect(encodeDirent(b, 8, "file", 9, 8)).toBe(24);
    const dv = new DataView(b.buffer);
    expect([dv.getUint32(8, true), dv.getUint16(16, true), b[18], String.fromCharCode(...b.subarray(24, 29))]).toEqual([9, 4, 8, "file\0"]);
  });

  it("struct rusage, 18 words", () => {
    const ru = new Rusage();
    ru.maxrss = 8192;
    ru.minflt = 5;
    ru.nivcsw = 6;
    expect([...encodeRusage(ru, 1.5e9, 2.25e9)]).toEqual([1, 500000, 2, 250000, 8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 6]);
  });

  it("64-bit arguments are signed, low word first", () => {
    expect(off64At(-1, -1)).toBe(-1);
    expect(off64At(0, 1)).toBe(2 ** 32);
    expect(off64At(-1, 0)).toBe(2 ** 32 - 1);
  });

  it("the trampoline lies below ps_strings and calls sigreturn", () => {
    expect(TRAMPOLINE.length).toBe(28);
    expect(TRAMPOLINE_ADDRESS + 28 + 16).toBe(0xbfc0_0000);
    expect([...TRAMPOLINE.subarray(9, 14)]).toEqual([0xb8, 344 & 255, 344 >> 8, 0, 0]);
  });
});
