// SPDX-License-Identifier: BSD-3-Clause
/**
 * The processor at hand as one of the fuzzer's tiers: builds the capture program and runs batches of cases through it.
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe } from "./fuzz-machine.js";
import { PAGES, assemble } from "./fuzz-program.js";

const SOURCE = fileURLToPath(new URL("fuzz-capture.c", import.meta.url));
const FLAGS = [
  ..."-m32 -O1 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pic -no-pie".split(" "),
  ..."-mgeneral-regs-only -fcf-protection=none -w".split(" "),
];
const RESULT_WORDS = 14 + 72 + PAGES;
const HEAD_WORDS = 45;

/** Native processor, or a sentence why there is none: `{ native, why }`. */
export function openNative() {
  if (process.platform !== "linux" || !["x64", "ia32"].includes(process.arch))
    return { native: null, why: `${process.platform} on ${process.arch} runs no 32-bit x86 programs of Linux` };
  const folder = mkdtempSync(path.join(tmpdir(), "vkernel-fuzz-"));
  const program = path.join(folder, "capture");
  const built = spawnSync("gcc", [...FLAGS, "-o", program, SOURCE], { encoding: "utf8" });
  const close = () => rmSync(folder, { recursive: true, force: true });
  if (built.status !== 0) {
    close();
    return { native: null, why: `gcc -m32 failed: ${built.error?.message ?? built.stderr.split("\n")[0]}` };
  }
  const raw = (cases) => capture(program, cases);
  const native = {
    /** Ends of the fuzzer's tests, as describe() shows them; null for one that does not end. */
    run: (tests) => raw(tests.map((t) => ({ ...t, code: assemble(t) }))).map((end) => end && describe(end)),
    /** Ends of `{ gpr, flags, ip, xmm, code }`, whole. */
    raw,
    close,
  };
  try {
    native.run([]);
  } catch (e) {
    close();
    return { native: null, why: e.message };
  }
  return { native, why: "" };
}

function capture(program, cases) {
  const parts = cases.map((test) => {
    const { code } = test;
    const words = new Uint32Array(HEAD_WORDS + Math.ceil(code.length / 4));
    words.set([...test.gpr, test.flags, test.ip, ...test.xmm, test.fcw ?? 0x37f, test.mxcsr ?? 0x1f80, code.length]);
    new Uint8Array(words.buffer).set(code, 4 * HEAD_WORDS);
    return Buffer.from(words.buffer);
  });
  const done = spawnSync(program, [], { input: Buffer.concat(parts), maxBuffer: 1 << 30 });
  if (done.status !== 0) throw new Error(`capture ended with ${done.status ?? done.signal}`);
  const { stdout } = done;
  if (stdout.length !== cases.length * RESULT_WORDS * 4) throw new Error("capture wrote too little");
  const words = new Uint32Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length));
  return cases.map((_, i) => readResult(words.subarray(i * RESULT_WORDS, (i + 1) * RESULT_WORDS)));
}

function readResult(w) {
  if (w[0] !== 0) return null;
  const vector = w[1];
  return {
    vector,
    error: vector === 14 ? w[2] & 7 : vector === 13 ? w[2] & 0xffff : 0,
    cr2: vector === 14 ? w[3] : 0,
    eip: w[4],
    flags: w[5],
    gpr: [...w.subarray(6, 14)],
    fx: new Uint8Array(w.slice(14, 14 + 128).buffer).subarray(0, 288),
    pages: [...w.subarray(86, 86 + PAGES)],
  };
}
