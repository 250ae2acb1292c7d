// SPDX-License-Identifier: BSD-3-Clause
/** Runs the built commands as a user would, and finds the genuine programs that tests run in them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

export const checkout = fileURLToPath(new URL("../../../../", import.meta.url));
const bin = path.join(checkout, "packages/cli/bin");

export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status, or 128+N when a signal ended the command itself. */
  readonly status: number;
}

export interface Options {
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

function command(name: string, args: readonly string[], options: Options): Result {
  const result = spawnSync(process.execPath, [path.join(bin, `${name}.js`), ...args], {
    input: options.input ?? "",
    encoding: "latin1",
    timeout: options.timeoutMs ?? 120_000,
    maxBuffer: 1 << 28,
    cwd: options.cwd ?? checkout,
    env: { ...process.env, NO_COLOR: "1", ...options.env },
  });
  if (result.error) throw result.error;
  const status = result.status ?? 128 + (result.signal === null ? 0 : os.constants.signals[result.signal]);
  return { stdout: result.stdout, stderr: result.stderr, status };
}

export const vkernel = (args: readonly string[], options: Options = {}): Result => command("vkernel", args, options);
export const hammer = (args: readonly string[], options: Options = {}): Result => command("hammer", args, options);
export const newfsHammer = (args: readonly string[], options: Options = {}): Result => command("newfs_hammer", args, options);
export const undo = (args: readonly string[], options: Options = {}): Result => command("undo", args, options);

/** A scratch folder that goes away after the test file. */
export function scratch(): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), "vkernel-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Folder with an unpacked Debian i386 root ("busybox" or "debian"), or null: see tooling/roots.mjs. */
export function debianRoot(name: "busybox" | "debian"): string | null {
  const dir = path.join(process.env["VKERNEL_ROOTS"] ?? path.join(checkout, "scratch/roots"), name);
  return existsSync(path.join(dir, "bin")) ? dir : null;
}
export const NO_ROOTS = "no Debian i386 root (make one with: node tooling/roots.mjs)";

/** The genuine static i386 benchmark programs beside the checkout, or null. */
export function guestPrograms(): string | null {
  const dir = path.join(checkout, "../shared/bench/guest/bin");
  return existsSync(path.join(dir, "cpu")) ? dir : null;
}
export const NO_GUESTS = "no ../shared/bench/guest/bin beside the checkout";
