// SPDX-License-Identifier: BSD-3-Clause
/**
 * The network of a booted system: what boot options say of it, the published ports, and a name server for programs.
 * @module
 */
import type { HostNetwork } from "@vkernel/hostkernel";
import type { Kernel } from "./kern/kernel.ts";
import { fdrop } from "./kern/file.ts";
import type { Lwp } from "./kern/proc.ts";
import { openFile } from "./kern/sys-vfs-open.ts";
import { NAMESERVER, type PublishedPort } from "./net/inet/domain.ts";
import { EEXIST, Errno } from "./sys/errno.ts";
import { AT_FDCWD, O_CREAT, O_EXCL, O_WRONLY } from "./sys/fcntl.ts";
import { ROOT_CRED } from "./sys/ucred.ts";
import { Uio } from "./vm/uio.ts";

export interface NetworkOptions {
  readonly host: HostNetwork;
  /** Programs may connect and send to everywhere the host may. */
  readonly outgoing: boolean;
  /** Host ports that lead to ports of the guest. */
  readonly publish?: readonly PublishedPort[];
}

/** Opens the published ports. Rejects with a message that names the port. */
export async function publishPorts(k: Kernel, options: NetworkOptions): Promise<void> {
  for (const port of options.publish ?? []) await k.inet.publish(port);
}

const RESOLV_CONF = "/etc/resolv.conf";

/** Tells programs whom to ask for names, where the root file system does not say so itself. */
export function provideNameserver(lp: Lwp): void {
  const { proc } = lp;
  const { cred } = proc;
  // The kernel writes it, whoever the first program belongs to.
  proc.cred = ROOT_CRED;
  try {
    const fp = openFile(lp, AT_FDCWD, RESOLV_CONF, O_WRONLY | O_CREAT | O_EXCL, 0o644);
    const text = Uint8Array.from(`nameserver ${NAMESERVER}\n`, (c) => c.charCodeAt(0));
    try {
      fp.write(Uio.kernel(text, 0, text.length), lp);
    } finally {
      fdrop(fp, lp);
    }
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
    if (e !== EEXIST) lp.k.log(`${RESOLV_CONF}: ${e.message}; names will not be found`);
  } finally {
    proc.cred = cred;
  }
}
