// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel` with options only: boots as vkernel(7) does, with init as the first process. */
import { closeSync, openSync, writeSync, rmSync } from "node:fs";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { bootKernel, BootError, type CpuModelName, type RunResult, type VirtualKernel } from "@vkernel/vkernel";
import { panicked, ramBytes, standardMounts } from "../machine.ts";
import { MemoryImageFile } from "../memory-image-file.ts";
import { imageRoot, worldRoot, type RootSource } from "../root-source.ts";
import { CliError } from "../ui/errors.ts";

/** commander's names for the single-letter flags. */
export interface ClassicOptions {
  readonly r?: string[];
  readonly R?: string[];
  readonly c?: string[];
  readonly m: string;
  readonly cpu: CpuModelName;
  readonly i?: string;
  readonly e?: string[];
  readonly I?: string[];
  readonly n?: string;
  readonly p?: string;
  readonly s?: boolean;
  readonly v?: boolean;
}

/** Splits `name=value:name=value`; quotes protect colons, as in vkernel(7). */
function kernelEnvironment(settings: readonly string[]): Map<string, string> {
  const env = new Map<string, string>();
  for (const text of settings) {
    for (const part of text.match(/(?:[^:"']|"[^"]*"|'[^']*')+/g) ?? []) {
      const cut = part.indexOf("=");
      if (cut <= 0) throw new CliError("-e", `'${part}' is no setting`, "name=value, several with ':' between");
      env.set(part.slice(0, cut), part.slice(cut + 1).replaceAll(/["']/g, ""));
    }
  }
  return env;
}

/** The file of a disk option: a serial number behind a colon names the disk for programs in the guest. */
function diskFile(spec: string): string {
  const cut = spec.lastIndexOf(":");
  return cut > 0 && /^[A-Za-z0-9_-]+$/.test(spec.slice(cut + 1)) ? spec.slice(0, cut) : spec;
}

function bootDisk(platform: NodePlatform, options: ClassicOptions): RootSource {
  const disks = [...(options.r ?? []).map((file) => ({ file, discard: false })), ...(options.R ?? []).map((file) => ({ file, discard: true }))];
  if (options.c !== undefined) {
    throw new CliError("-c", "CD images cannot be booted from", "give a HAMMER image with -r");
  }
  if (disks.length === 0) return worldRoot(platform);
  if (disks.length > 1) {
    throw new CliError("-r", `${disks.length} disks given, one is supported`, "put everything on one HAMMER image");
  }
  return imageRoot(platform, [diskFile(disks[0]!.file)], { discard: disks[0]!.discard });
}

/** Writes the process id, refusing a file that another process holds. */
function writePidFile(file: string): () => void {
  const fd = openSync(file, "w");
  writeSync(fd, `${process.pid}\n`);
  closeSync(fd);
  return () => rmSync(file, { force: true });
}

function warnUnused(options: ClassicOptions): void {
  if (options.n !== undefined && options.n !== "1") {
    process.stderr.write(`vkernel: -n ${options.n}: one virtual CPU is used\n`);
  }
  if (options.I !== undefined) throw new CliError("-I", "network interfaces are not supported", "leave -I out");
}

/** Boots and runs to the end; resolves to the exit status of the command. */
export async function bootClassic(options: ClassicOptions): Promise<number> {
  warnUnused(options);
  const platform = new NodePlatform();
  const ram = ramBytes(options.m);
  const kenv = kernelEnvironment(options.e ?? []);
  const root = bootDisk(platform, options);
  const verbose = options.v === true;
  let vk: VirtualKernel;
  try {
    vk = await bootKernel({
      platform,
      ramBytes: ram,
      cpu: options.cpu,
      root: root.mount,
      mounts: standardMounts(),
      kenv,
      log: (line) => {
        if (verbose) process.stderr.write(`${line}\n`);
      },
      first: {
        path: kenv.get("init_path") ?? "/sbin/init",
        argv: ["/sbin/init", options.s === true ? "-s" : "--"],
        env: [],
        stdio: "none",
        init: true,
      },
    });
  } catch (error) {
    root.close();
    if (!(error instanceof BootError)) throw error;
    throw new CliError("boot", error.message, undefined, 1, error);
  }
  const image = options.i === undefined ? null : new MemoryImageFile(options.i, ram);
  const removePid = options.p === undefined ? () => {} : writePidFile(options.p);
  let result: RunResult;
  try {
    result = await vk.run();
  } catch (error) {
    return panicked(error);
  } finally {
    removePid();
    image?.save(vk.machine.vm.phys.u8);
  }
  return result.signal === 0 ? result.status : 128 + result.guestSignal;
}
