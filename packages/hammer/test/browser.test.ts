// SPDX-License-Identifier: BSD-3-Clause
/** The core and the promises interface, bundled for a browser, run where there is nothing of Node. */
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { expect, it } from "vitest";

interface Output { output: { type: string; code: string; imports: string[] }[] }
interface Rolldown { rolldown(options: object): Promise<{ generate(options: object): Promise<Output>; close(): Promise<void> }> }

/** The bundler that tsdown brings. */
async function bundler(): Promise<Rolldown> {
  const tsdown = createRequire(import.meta.url).resolve("tsdown");
  return await import(pathToFileURL(createRequire(tsdown).resolve("rolldown")).href) as Rolldown;
}

it("needs no module of Node, and works", async () => {
  const { rolldown } = await bundler();
  const source = (name: string): string => JSON.stringify(fileURLToPath(new URL(`../src/${name}`, import.meta.url)));
  const bundle = await rolldown({
    input: "entry", platform: "browser", logLevel: "silent",
    plugins: [{
      name: "entry", resolveId: (id: string) => (id === "entry" ? "\0entry" : null),
      load: (id: string) => (id === "\0entry" ? `export * from ${source("index.ts")}; export { mount as mountAsync } from ${source("promises.ts")};` : null),
    }],
  });
  const { output } = await bundle.generate({ format: "iife", name: "hammer", codeSplitting: false });
  await bundle.close();
  expect(output.length).toBe(1);
  expect(output[0]!.imports).toEqual([]);
  expect(output[0]!.code).not.toMatch(/["']node:|\brequire\(|\bprocess\.|\bBuffer\b\.(?:from|alloc)/);
  // What browsers have; no process, no Buffer, no require.
  const context = vm.createContext({ TextEncoder, TextDecoder, WebAssembly, performance, queueMicrotask, setTimeout });
  const result = await (vm.runInContext(`${output[0]!.code}
    (async () => {
      let clock = 1_700_000_000_000_000n;
      const now = () => (clock += 1000n);
      const disk = new hammer.MemoryDevice(128 << 20);
      hammer.newfs([disk], { label: "BROWSER", force: true, undoBytes: 8 << 20, now, fsid: new Uint8Array(16).fill(1) });
      const fs = await hammer.mountAsync([disk], { now, readOnly: false });
      await fs.writeFile("/hello", "from a page");
      const tid = await fs.sync();
      await fs.writeFile("/hello", "changed");
      const read = async (path) => new TextDecoder().decode(await fs.readFile(path));
      const answer = [await read("/hello"), await read("/hello@@0x" + tid.toString(16).padStart(16, "0"))];
      let bytes = 0;
      for await (const piece of fs.mirrorRead()) bytes += piece.length;
      await fs.unmount();
      return [...answer, bytes > 1000].join();
    })()`, context) as Promise<string>);
  expect(result).toBe("changed,from a page,true");
});
