// SPDX-License-Identifier: BSD-3-Clause
/** What a machine serves to NFS clients, from --export and --nfs-port. */
import { isIP } from "node:net";
import type { NfsOptions, PublishedPort } from "@vkernel/vkernel";
import { toByteString } from "@vkernel/hammer";
import { hostPort } from "./network.ts";
import { lastingSecret } from "./state-dir.ts";
import { CliError } from "./ui/errors.ts";

const KEY_FILE = "nfs-handle-key";
const KEY_BYTES = 16;

/** The key of file handles: the same in all runs of this user, so that clients go on over a restart. */
export function handleKey(): Uint8Array {
  return lastingSecret(KEY_FILE, KEY_BYTES);
}

/** PATH[:ro], several; [ADDR:]PORT. Throws CliError. */
export function nfsExports(exports: readonly string[], at: string): { readonly nfs: NfsOptions; readonly port: PublishedPort } {
  const parts = /^(?:(\[[^\]]+\]|[^:]+):)?([^:]+)$/.exec(at);
  const host = parts?.[1]?.replace(/^\[|\]$/g, "") ?? "127.0.0.1";
  if (parts === null || isIP(host) === 0) throw new CliError("--nfs-port", `'${at}' is no port`, "[ADDR:]PORT, for example 2049");
  const port = hostPort(parts[2]!, "--nfs-port");
  const list = exports.map((spec) => {
    const readOnly = spec.endsWith(":ro");
    const path = readOnly ? spec.slice(0, -3) : spec;
    if (!path.startsWith("/")) throw new CliError("--export", `'${spec}' is no absolute path`, "PATH[:ro], a directory of the guest");
    return { path: toByteString(path), readOnly };
  });
  return { nfs: { port, key: handleKey(), exports: list }, port: { host, port, guestPort: port } };
}
