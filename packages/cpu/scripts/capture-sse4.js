#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Makes a vector file of SSE4.1, SSE4.2 and POPCNT: random cases, run on the processor at hand.
 *
 *   node packages/cpu/scripts/capture-sse4.js [--seed N] [--each N] OUT.jsonl.gz
 *
 * `--each` cases for each instruction (default 8), equal seeds make equal cases. The file is for vectors.js. Every case is
 * run twice and left out when it does not end the same; needs Linux on x86 with `gcc -m32` and a processor with SSE4.2.
 */
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { disassemble } from "@vkernel/cpu";
import { openNative } from "./fuzz-native.js";
import { Random } from "./fuzz-program.js";
import { CASES } from "./sse4-cases.js";

const USAGE = "usage: capture-sse4.js [--seed N] [--each N] OUT.jsonl.gz";
const ARITHMETIC_AND_DIRECTION = 0xcd5;
const ZERO128 = "0".repeat(32);
const ERROR_CODES = new Set([13, 14]);

function parseArguments(args) {
  const options = { seed: 1, each: 8, out: "" };
  for (let i = 0; i < args.length; i++) {
    if ((args[i] === "--seed" || args[i] === "--each") && Number.isInteger(Number(args[i + 1]))) {
      options[args[i].slice(2)] = Number(args[++i]);
    } else if (args[i] === "--help") {
      process.stdout.write(`${USAGE}\n`);
      process.exit(0);
    } else if (args[i].startsWith("-") || options.out !== "") throw new Error(USAGE);
    else options.out = args[i];
  }
  if (options.out === "") throw new Error(USAGE);
  return options;
}

const hex128 = (bytes) => Buffer.from(bytes).reverse().toString("hex");
const words128 = (words) => hex128(new Uint8Array(Uint32Array.from(words).buffer));

function sameEnd(a, b) {
  return a !== null && b !== null && JSON.stringify(a) === JSON.stringify(b);
}

/** A vector from a case and how it ended. */
function vectorOf(test, end, id) {
  const xmm = Array.from({ length: 8 }, (_, i) => words128(test.xmm.slice(4 * i, 4 * i + 4)));
  const after = xmm.map((_, i) => hex128(end.fx.subarray(160 + 16 * i, 176 + 16 * i)));
  const mxcsr = end.fx[24] | (end.fx[25] << 8);
  // Which flags an unmasked exception leaves in MXCSR differs between processors.
  const mx = end.vector === 19 ? null : mxcsr;
  const { text } = disassemble(test.code.subarray(test.at), test.ip + test.at);
  const o = {
    v: end.vector,
    ip: end.eip,
    f: (end.flags & ARITHMETIC_AND_DIRECTION) >>> 0,
    fm: ARITHMETIC_AND_DIRECTION,
    r: end.gpr.map((value, i) => [i, value]).filter(([i, value]) => value !== test.gpr[i]),
    fp: {
      swm: 0xb8ff,
      sw: 0,
      ...(mx === 0x1f80 ? {} : { mx }),
      x: after.map((value, i) => [i, value]).filter(([i, value]) => value !== xmm[i]),
    },
  };
  if (ERROR_CODES.has(end.vector)) o.e = end.error;
  if (end.vector === 14) o.a = end.cr2;
  // What was stored has been loaded again into an xmm register.
  if (test.window !== undefined) {
    const stored = (end.vector === 3 ? after : xmm)[test.window.xmm];
    o.m = [[test.window.at, Buffer.from(stored, "hex").reverse().toString("hex")]];
  }
  const fp = { cw: 0x37f, sw: 0, tw: 0, mx: 0x1f80, x: xmm };
  if (xmm.every((value) => value === ZERO128)) delete fp.x;
  return {
    id,
    n: test.name,
    asm: text,
    c: Buffer.from(test.code).toString("hex"),
    ip: test.ip,
    r: test.gpr,
    f: test.flags,
    fp,
    o,
  };
}

function main() {
  const { seed, each, out } = parseArguments(process.argv.slice(2));
  const { native, why } = openNative();
  if (native === null) throw new Error(`no native processor: ${why}`);
  const random = new Random(seed);
  const tests = CASES.flatMap((make) => Array.from({ length: each }, () => make(random)));
  const ends = native.raw(tests);
  const again = native.raw(tests);
  native.close();
  const vectors = [];
  tests.forEach((test, i) => {
    if (!sameEnd(ends[i], again[i])) return;
    vectors.push(vectorOf(test, ends[i], `${test.group}-${String(vectors.length + 1).padStart(5, "0")}`));
  });
  const head = { format: "i386-vectors", version: 1, set: `sse4 seed ${seed}`, vectors: vectors.length };
  const text = [head, ...vectors].map((line) => JSON.stringify(line)).join("\n");
  writeFileSync(out, gzipSync(`${text}\n`, { level: 9 }));
  process.stdout.write(`${out}: ${vectors.length} vectors, ${tests.length - vectors.length} left out\n`);
}

try {
  main();
} catch (e) {
  process.stderr.write(`capture-sse4: ${e instanceof Error ? e.message : String(e)}\n`);
  process.exitCode = 2;
}
