// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where running machines listen: a folder that is the user's alone, $XDG_RUNTIME_DIR/vkernel, or one below the temporary folder.
 * One socket for each machine, called NAME.sock.
 */
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { CliError } from "../ui/errors.ts";
import { xdgRuntimeDir } from "../xdg.ts";

const SUFFIX = ".sock";
/** Longest path of a socket that every system takes (sun_path, with its NUL). */
const MOST_PATH = 103;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** The folder, made where it is missing. Throws CliError when somebody else could get at it. */
export function runtimeDir(): string {
  const uid = process.getuid?.() ?? 0;
  const base = xdgRuntimeDir();
  const dir = base === null ? path.join(os.tmpdir(), `vkernel-${uid}`) : path.join(base, "vkernel");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const st = lstatSync(dir);
  if (!st.isDirectory() || (process.getuid !== undefined && st.uid !== uid) || (process.getuid !== undefined && (st.mode & 0o077) !== 0)) {
    throw new CliError(dir, "it is not a folder of this user alone", "remove it, or set XDG_RUNTIME_DIR");
  }
  return dir;
}

/** The socket of a machine. Throws CliError for what is no name. */
export function socketPath(name: string): string {
  if (!NAME.test(name)) throw new CliError(name, "not a name for a machine", "letters, digits, '_', '.', '-', at most 64");
  const file = path.join(runtimeDir(), name + SUFFIX);
  if (file.length > MOST_PATH) throw new CliError(name, `its socket ${file} has too long a path`, "a shorter name, or XDG_RUNTIME_DIR");
  return file;
}

/** Names of the machines that have a socket, running or not. */
export function machineNames(): string[] {
  return readdirSync(runtimeDir())
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort();
}
