// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel image info`: what an image is and how full. */
import type { HammerMount } from "@vkernel/hammer";
import { formatSize } from "../../ui/size.ts";
import { display, outputVersion, withImage } from "./open.ts";

const BIGBLOCK = 8 << 20;
const hex = (n: bigint): string => `0x${n.toString(16).padStart(16, "0")}`;

function facts(m: HammerMount): Record<string, unknown> {
  const i = m.info();
  return {
    label: display(i.label), fsid: i.fsid, version: i.version, volumes: i.volumes,
    size_bytes: i.bigblocks * BIGBLOCK, free_bytes: i.freeBigblocks * BIGBLOCK, inodes: i.inodes, next_tid: hex(i.nextTid),
    recovered: !m.recovery.clean,
    pfs: m.listPfs().map((p) => ({
      id: p.id, type: p.slave ? "slave" : "master", label: display(p.label), unique_uuid: p.uniqueUuid, sync_end_tid: hex(p.syncEndTid),
      snapshots: m.listSnapshots(p.id).map((s) => ({
        tid: hex(s.tid), time: new Date(s.time / 1000).toISOString(), label: display(s.label),
      })),
    })),
  };
}

/** Prints facts about the image. */
export function info(image: string, options: { json?: boolean }): Promise<void> {
  return withImage(image, { write: false }, (m) => {
    const f = facts(m);
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ ...outputVersion("vkernel image info"), ...f }, null, 2)}\n`);
      return;
    }
    const i = m.info();
    const line = (name: string, value: string): void => void process.stdout.write(`${(name === "" ? "" : `${name}:`).padEnd(14)}${value}\n`);
    line("label", display(i.label));
    line("file system", `HAMMER version ${i.version}`);
    line("id", i.fsid);
    line("volumes", String(i.volumes));
    line("size", `${formatSize(i.bigblocks * BIGBLOCK)}, ${formatSize(i.freeBigblocks * BIGBLOCK)} free`);
    line("inodes", String(i.inodes));
    line("last TID", hex(i.nextTid));
    line("state", m.recovery.clean ? "clean" : "was not unmounted cleanly; shown as recovered");
    for (const p of m.listPfs()) {
      line(`PFS ${p.id}`, `${p.slave ? "slave" : "master"}${p.label === "" ? "" : ` "${display(p.label)}"`}`);
      for (const s of m.listSnapshots(p.id))
        line("", `snapshot ${hex(s.tid)} ${new Date(s.time / 1000).toISOString()}${s.label === "" ? "" : ` "${display(s.label)}"`}`);
    }
  });
}
