// SPDX-License-Identifier: BSD-3-Clause
/**
 * What `--root` and `-r` name, as a file system the kernel can mount: the embedded world, a HAMMER image, or a
 * directory of the host.
 * @module
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { OverlayDevice, mount, resolvePath, toByteString, type BlockDevice } from "@vkernel/hammer";
import { FileDevice } from "@vkernel/hammer/node";
import type { HostPlatform } from "@vkernel/hostkernel";
import { hammerFs, hostFs, overlayFs, type MountFactory } from "@vkernel/vkernel";
import { CliError } from "./ui/errors.ts";
import { makeWorld, worldFile } from "./world.ts";

export interface RootSource {
  readonly mount: MountFactory;
  /** Reads a small text file of the root before anything runs, or null: /etc/passwd for user names. */
  text(file: string): string | null;
  /** Lets go of what was opened, when the kernel did not get to mount it. */
  close(): void;
}

/** The clock and the random source of the platform, as the file system wants them. */
function clockOf(platform: HostPlatform): { now(): bigint; random(bytes: Uint8Array): void } {
  return {
    now: () => BigInt(Math.floor(platform.wallClockUs())),
    random: (bytes) => platform.entropy(bytes),
  };
}

/** Splits "PATH:opt" where the whole does not exist but PATH does. */
function splitOption(spec: string, options: readonly string[]): { file: string; option: string | null } {
  for (const option of options) {
    if (spec.endsWith(`:${option}`) && !existsSync(spec)) return { file: spec.slice(0, -option.length - 1), option };
  }
  return { file: spec, option: null };
}

/** The embedded world; changes stay in memory. */
export function worldRoot(platform: HostPlatform): RootSource {
  const clock = clockOf(platform);
  return {
    mount: (ctx) => hammerFs("world", [makeWorld(clock)])(ctx),
    text: worldFile,
    close: () => {},
  };
}

/** A file of the file system on `devices`, without recovering or changing anything. */
function imageText(devices: BlockDevice[], file: string, now: () => bigint): string | null {
  const m = mount(devices, { readOnly: true, now });
  try {
    const ip = resolvePath(m, toByteString(file), { follow: true });
    if (ip === null) return null;
    const bytes = new Uint8Array(Math.min(ip.size, 1 << 20));
    m.read(ip, 0, bytes, 0, bytes.length);
    m.rele(ip);
    return Buffer.from(bytes).toString("latin1");
  } finally {
    m.unmount();
  }
}

/** How a root is opened. */
export interface RootOptions {
  /** Changes are refused, and an image is not locked. */
  readonly readOnly?: boolean;
  /** Bound of an image's buffer cache, bytes. */
  readonly cacheBytes?: number;
  /** Most memory for changes to a directory, bytes. */
  readonly changes?: number;
}

/** HAMMER images, one file for each volume; `discard` keeps changes in memory. */
export function imageRoot(platform: HostPlatform, files: readonly string[], options: RootOptions & { discard: boolean }): RootSource {
  const clock = clockOf(platform);
  const devices: BlockDevice[] = [];
  const close = (): void => {
    for (const device of devices.splice(0)) device.close();
  };
  try {
    for (const file of files) {
      const device = new FileDevice(file, { readOnly: options.discard || options.readOnly === true });
      devices.push(options.discard ? new OverlayDevice(device) : device);
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    mount: hammerFs(files.join(":"), devices, {
      ...(options.readOnly === undefined ? {} : { readOnly: options.readOnly }),
      ...(options.cacheBytes === undefined ? {} : { cacheBytes: options.cacheBytes }),
    }),
    text: (file) => imageText(devices, file, clock.now),
    close,
  };
}

/** A host directory: changes in memory, at most `changes` bytes of them, or written through with `rw`. */
export function directoryRoot(dir: string, mode: "overlay" | "rw" | "ro", changes?: number): RootSource {
  const host = toByteString(path.resolve(dir));
  const text = (file: string): string | null => {
    const full = path.join(dir, file);
    return existsSync(full) ? readFileSync(full, "latin1") : null;
  };
  return { mount: mode === "overlay" ? overlayFs(host, changes) : hostFs(host, mode === "ro"), text, close: () => {} };
}

/** What `--root SRC` means. Throws CliError when there is no such file. */
export function rootSource(platform: HostPlatform, spec: string | undefined, options: RootOptions = {}): RootSource {
  if (spec === undefined) return worldRoot(platform);
  const { file, option } = splitOption(spec, ["rw", "ro"]);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new CliError(file, "no such file or directory", "a HAMMER image or a directory is what can be a root");
  if (stat.isDirectory()) return directoryRoot(file, options.readOnly === true ? "ro" : option === null ? "overlay" : (option as "rw" | "ro"), options.changes);
  if (option === "rw") throw new CliError(spec, "':rw' is for directories", "changes to an image always persist");
  return imageRoot(platform, [file], { ...options, discard: option === "ro" });
}

/** A `-v HOST:GUEST[:ro]` volume. */
export function volume(spec: string): { on: string; mount: MountFactory } {
  const match = /^(.+?):(\/[^:]*)(?::(ro|rw))?$/.exec(spec);
  if (match === null) throw new CliError("-v", `'${spec}' is no volume`, "HOST:GUEST[:ro], GUEST an absolute path");
  const [, host, guest, mode] = match;
  const stat = statSync(host!, { throwIfNoEntry: false });
  if (stat === undefined) throw new CliError(host!, "no such directory");
  if (!stat.isDirectory()) throw new CliError(host!, "not a directory, which alone can be shown in the guest");
  return { on: toByteString(guest!), mount: hostFs(toByteString(path.resolve(host!)), mode === "ro") };
}
