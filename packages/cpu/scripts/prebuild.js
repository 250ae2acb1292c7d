#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Build step: generates the interpreter of virtual CPU 0 from the built package and stores it as dist/prebuilt.js.
 */
import { writeFileSync } from "node:fs";
import { generateForPrebuild } from "../dist/prebuild.js";

const { module, decoder, decodeTable, handlers, flows, signatures } = generateForPrebuild();
const base64 = (bytes) => JSON.stringify(Buffer.from(bytes).toString("base64"));
writeFileSync(
  new URL("../dist/prebuilt.js", import.meta.url),
  `const PREBUILT = {\n  module: ${base64(module)},\n  decoder: ${base64(decoder)},\n  decodeTable: ${base64(decodeTable)},\n  handlers: ${base64(handlers)},\n  flows: ${base64(flows)},\n  signatures: ${JSON.stringify(signatures)},\n};\nexport function prebuiltInterpreter() {\n  return PREBUILT;\n}\n`,
);
process.stdout.write(`prebuilt interpreter: ${module.length} bytes, ${handlers.length / 2} functions\n`);
