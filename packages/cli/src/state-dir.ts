// SPDX-License-Identifier: BSD-3-Clause
/** Files that outlive a run: under $XDG_STATE_HOME, the user's alone. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CliError } from "./ui/errors.ts";
import { xdgFolder } from "./xdg.ts";

/** The folder, made where it is missing. */
export function stateDir(): string {
  const dir = path.join(xdgFolder("XDG_STATE_HOME"), "vkernel");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}

/** A secret of `length` bytes that is the same in every run of this user. */
export function lastingSecret(name: string, length: number): Uint8Array {
  const file = path.join(stateDir(), name);
  try {
    writeFileSync(file, randomBytes(length), { flag: "wx", mode: 0o600 });
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "EEXIST") throw e;
  }
  const secret = readFileSync(file);
  if (secret.length !== length) throw new CliError(file, `${secret.length} bytes instead of ${length}`, "remove it; a new one is made");
  return new Uint8Array(secret);
}
