// SPDX-License-Identifier: BSD-3-Clause
/** Boots a kernel on a simulated host with the assembled test programs in its root, and runs one of them. */
import { readFileSync } from "node:fs";
import { SimPlatform } from "@vkernel/hostkernel";
import { bootKernel, TmpfsMount, type RunResult, type RunStats, type VirtualKernel } from "@vkernel/vkernel";

const VREG = 1;
const bytes = JSON.parse(readFileSync(new URL("./programs.json", import.meta.url), "utf8")) as Record<string, string>;

export interface Outcome extends RunResult {
  output: string;
  errors: string;
  log: string[];
  stats: RunStats;
  platform: SimPlatform;
  vk: VirtualKernel;
}

export interface RunOptions {
  argv?: readonly string[];
  env?: readonly string[];
  isTTY?: boolean;
  /** Host standard input, all there is. */
  input?: string;
  uid?: number;
  /** Called before the run, to schedule events. */
  prepare?: (platform: SimPlatform, vk: VirtualKernel) => void;
  ramBytes?: number;
  /** Simulated time that each look at the clock takes, ns. */
  tickNs?: number;
  /** Further files by name. */
  files?: Readonly<Record<string, Uint8Array>>;
}

/** Runs a program of test/machine/asm by name. */
export async function runProgram(path: string, options: RunOptions = {}): Promise<Outcome> {
  const platform = new SimPlatform({ isTTY: options.isTTY ?? false, tickNs: options.tickNs ?? 1000 });
  const log: string[] = [];
  const vk = await bootKernel({
    platform,
    ramBytes: options.ramBytes ?? 64 << 20,
    root: (ctx) => {
      const mount = new TmpfsMount("root", 0, { maxBytes: 16 << 20, now: ctx.now, rootMode: 0o755 });
      const root = mount.root();
      const add = (name: string, data: Uint8Array): void => {
        const vp = root.create(name, { type: VREG, mode: 0o755, uid: 0, gid: 0 });
        if (data.length > 0) vp.write(0, data, 0, data.length);
        vp.refs--;
      };
      for (const [name, base64] of Object.entries(bytes)) add(name, Buffer.from(base64, "base64"));
      for (const [name, data] of Object.entries(options.files ?? {})) add(name, data);
      return mount;
    },
    first: {
      path,
      argv: options.argv ?? [path],
      env: options.env ?? ["PATH=/"],
      stdio: "console",
      ...(options.uid === undefined ? {} : { uid: options.uid }),
    },
    log: (line) => log.push(line),
  });
  options.prepare?.(platform, vk);
  if (options.input !== undefined) {
    platform.after(0, () => {
      platform.terminal.input.push(Uint8Array.from(options.input!, (c) => c.charCodeAt(0)));
      platform.terminal.input.push(null);
    });
  }
  const result = await vk.run();
  const { output, error } = platform.terminal;
  return { ...result, output: output.text, errors: error.text, log, stats: vk.stats(), platform, vk };
}
