// SPDX-License-Identifier: BSD-3-Clause
/** `hammer mirror-write`: applies a stream from standard input to a slave. Source: DragonFly sbin/hammer/cmd_mirror.c. */
import { randomFillSync } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { createPfs, mirrorHello, MirrorReceiver, mirrorUpdate, resolvePath, toByteString, type HammerMount, type MirrorPass } from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { findParent, hex, maintain, pfsAt } from "./admin-context.ts";
import { note, noTerminal } from "./mirror-options.ts";
import type { GlobalOptions } from "./options.ts";
import { readInput, writeOutput } from "./output.ts";
import { checkTarget } from "./running.ts";

/** Asks on the terminal of the session: standard input is the stream. False where there is none, or the answer is not yes. */
function askOnTerminal(question: string): boolean {
  let fd: number;
  try {
    fd = openSync("/dev/tty", "r");
  } catch {
    return false; // nobody is there
  }
  try {
    process.stderr.write(`${question} [y/n] `);
    const buf = Buffer.alloc(64);
    return /^\s*y/i.test(buf.toString("latin1", 0, readSync(fd, buf, 0, buf.length, null)));
  } finally {
    closeSync(fd);
  }
}

/** The slave at `path`; if there is nothing, one is made, with -y without asking. */
export function slaveAt(m: HammerMount, g: GlobalOptions, path: string, sharedUuid: string): number {
  const old = resolvePath(m, toByteString(path), { follow: false });
  if (old !== null) {
    m.rele(old);
    return pfsAt(m, path).id;
  }
  if (g.y) note(g, `PFS slave ${path} does not exist. Auto create new slave PFS!`);
  else if (!askOnTerminal(`PFS slave ${path} does not exist.\nDo you want to create a new slave PFS?`))
    throw new CliError(path, "PFS slave does not exist; aborting operation", "-y before the command makes one, or pfs-slave with the shared-uuid of the source");
  const { dir, name } = findParent(m, path);
  const { id } = createPfs(m, dir, name, { slave: true, sharedUuid, random: (b) => randomFillSync(b) });
  m.rele(dir);
  note(g, `Creating PFS#${id}\tsucceeded!`);
  return id;
}

/** Tells what a pass brought. */
export function reportPass(g: GlobalOptions, path: string, pass: MirrorPass): void {
  if (pass.damaged > 0) note(g, `Mirror-write ${path}: ${pass.damaged} records could not be read whole at the source and were left out`);
  note(g, pass.idle ? `Mirror-write ${path}: nothing new`
    : `Mirror-write ${path}: ${pass.inserted} records with ${pass.bytes} bytes written, ${pass.deleted} marked deleted`, 1);
}

/** `hammer mirror-write fs`. */
export function mirrorWriteCommand(volumes: string[], g: GlobalOptions, path: string): void {
  checkTarget(g, path);
  noTerminal(process.stdin, "standard input", "a stream comes from a file or out of a pipe: hammer -f IMG mirror-write /slave < changes.mirror");
  const twoWay = g["2"] === true;
  maintain(volumes, (m) => {
    const receiver = new MirrorReceiver(m, {
      pfs: (uuid) => {
        const pfs = slaveAt(m, g, path, uuid);
        if (twoWay) writeOutput(mirrorHello(m, pfs));
        return pfs;
      },
      onPass: (pass) => {
        reportPass(g, path, pass);
        if (twoWay) writeOutput(mirrorUpdate(pass.tidEnd));
        else process.stdout.write(`Source can update synctid to 0x${hex(pass.tidEnd)}\n`);
      },
    });
    for (const piece of readInput()) {
      receiver.feed(piece);
      while (receiver.step());
      if (receiver.ended) break;
    }
    receiver.end();
    if (receiver.interrupted) note(g, "Mirror-write: received termination request");
  });
}
