// SPDX-License-Identifier: BSD-3-Clause
/** Debian packages as files: their control part and their tree, both tar streams that dpkg-deb unpacks (deb(5)). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { Readable } from "node:stream";
import { CliError } from "../../../ui/errors.ts";
import { TarReader } from "../tar-read.ts";

/** Members of the control part that are read: names to contents, byte strings. */
export type ControlFiles = ReadonlyMap<string, { readonly text: string; readonly mode: number }>;

/** One of a package's tar streams, handed to `body`. Throws CliError when dpkg-deb fails. */
export async function withPackageTar<T>(file: string, part: "--ctrl-tarfile" | "--fsys-tarfile", body: (tar: Readable) => Promise<T>): Promise<T> {
  const child = spawn("dpkg-deb", [part, file], { stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const ended = once(child, "close") as Promise<[number | null]>;
  const pieces = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const rest = { [Symbol.asyncIterator]: () => ({ next: () => pieces.next() }) };
  try {
    const result = await body(Readable.from(rest, { objectMode: false }));
    for await (const piece of rest) void piece; // what stands behind the archive's end
    const [code] = await ended;
    if (code !== 0) throw new CliError(path.basename(file), complaint.trim() || `dpkg-deb ended with status ${code}`, "remove the file and try again");
    return result;
  } finally {
    child.kill();
  }
}

/** The control part of a package. */
export function controlFiles(file: string): Promise<ControlFiles> {
  return withPackageTar(file, "--ctrl-tarfile", async (tar) => {
    const files = new Map<string, { text: string; mode: number }>();
    const reader = new TarReader(tar);
    for (let entry = await reader.next(); entry !== null; entry = await reader.next()) {
      const name = entry.name.replace(/^\.\//, "");
      if (entry.type !== "file" || name.includes("/")) continue;
      const pieces: Uint8Array[] = [];
      for await (const piece of reader.contents()) pieces.push(piece.slice());
      files.set(name, { text: Buffer.concat(pieces).toString("latin1"), mode: entry.mode });
    }
    return files;
  });
}

/** A field of a control file, its continuation lines included; "" when it is not there. */
export function controlField(control: string, name: string): string {
  return new RegExp(`^${name}: *((?:.*)(?:\\n[ \\t].*)*)`, "mi").exec(control)?.[1] ?? "";
}
