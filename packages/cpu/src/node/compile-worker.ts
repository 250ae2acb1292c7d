// SPDX-License-Identifier: BSD-3-Clause
/**
 * The thread in which regions are compiled, see node.ts.
 *
 * An error in the compiler ends the thread; what it was asked is then compiled in place, where the error shows.
 * @module
 */
import { parentPort } from "node:worker_threads";
import { RegionCompiler } from "../jit/compiler.ts";
import type { CompileRequest } from "../jit/request.ts";
import type { NewMachine } from "../node.ts";

parentPort!.on("message", ({ setup, port, replies }: NewMachine) => {
  const compiler = new RegionCompiler(setup, () => performance.now());
  port.on("message", (request: CompileRequest) => {
    port.postMessage(compiler.compile(request));
    Atomics.add(replies, 0, 1);
  });
});
