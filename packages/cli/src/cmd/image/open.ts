// SPDX-License-Identifier: BSD-3-Clause
/** What all `image` commands share: opening the image, finding objects in it, names for people. */
import { fromByteString, resolvePath, toByteString, type HammerInode, type HammerMount } from "@vkernel/hammer";
import { openImage } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { visible } from "../../ui/visible.ts";

/** Opens an image, runs `body` on it and unmounts, also when `body` throws. */
export async function withImage<T>(image: string, options: { write: boolean }, body: (m: HammerMount) => T | Promise<T>): Promise<T> {
  const m = openImage(image, { readOnly: !options.write });
  let result: T;
  try {
    result = await body(m);
  } catch (e) {
    try {
      m.unmount();
    } catch (unmountError) {
      // The first failure is the one to report; this one is kept beside it.
      throw new AggregateError([e, unmountError], (e as Error).message, { cause: e });
    }
    throw e;
  }
  m.unmount(); // a failure here must not pass for success
  return result;
}

/** The object at `path` (as typed), referenced. Throws CliError if there is none. */
export function find(m: HammerMount, image: string, path: string, options: { follow?: boolean } = {}): HammerInode {
  const ip = resolvePath(m, toByteString(path), options);
  if (ip === null) throw new CliError(`${image}:${path}`, "no such file or directory");
  return ip;
}

/** As find, for a directory. */
export function findDirectory(m: HammerMount, image: string, path: string): HammerInode {
  const ip = find(m, image, path);
  if (ip.type === "dir") return ip;
  m.rele(ip);
  throw new CliError(`${image}:${path}`, "not a directory");
}

/** A directory's entries in order of their names, without "." and "..". */
export function entriesOf(m: HammerMount, dir: HammerInode): string[] {
  const names: string[] = [];
  m.readdir(dir, 0, (name) => {
    if (name !== "." && name !== "..") names.push(name);
    return true;
  });
  return names.sort();
}

/** A name, a path or an argument of the image's for a terminal: control characters and bytes that are no UTF-8 do not get through. */
export function display(bytes: string): string {
  return visible(fromByteString(bytes));
}

/** Joins a directory's path and a name. */
export function join(dir: string, name: string): string {
  return dir === "" || dir === "/" ? `${dir}${name}` : `${dir.replace(/\/+$/, "")}/${name}`;
}

/** Head of every JSON answer. */
export function outputVersion(command: string): { output_version: { command: string; major: number; minor: number } } {
  return { output_version: { command, major: 1, minor: 0 } };
}
