// SPDX-License-Identifier: BSD-3-Clause
/** /proc/sysvipc, as ipcs reads it (Linux ipc/shm.c, sem.c, msg.c: sysvipc_*_proc_show). */
import type { Kernel } from "../../kern/kernel.ts";
import type { IpcObject } from "../../kern/sysv-ipc.ts";
import { type ProcDir, procDir, type ProcFile } from "../../vfs/procfs/procfs.ts";

type Column<T> = readonly [title: string, width: number, value: (o: T) => number | string];

/** A table of which the first two columns are the key and the identifier, right-aligned under their titles. */
function table<T extends IpcObject>(all: Iterable<T>, id: string, columns: readonly Column<T>[]): ProcFile {
  const full: readonly Column<T>[] = [
    ["key", 10, (o) => o.key],
    [id, 10, (o) => o.id],
    ["perms", 5, (o) => o.mode.toString(8)],
    ...columns,
  ];
  const line = (cells: readonly (number | string)[]): string =>
    `${cells.map((cell, i) => String(cell).padStart(full[i]![1])).join(" ")}\n`;
  return {
    kind: "file",
    mode: 0o444,
    read: () => {
      let text = line(full.map(([title]) => title));
      for (const o of all) text += line(full.map(([, , value]) => value(o)));
      return text;
    },
  };
}

const OWNERS: readonly Column<IpcObject>[] = [
  ["uid", 5, (o) => o.uid],
  ["gid", 5, (o) => o.gid],
  ["cuid", 5, (o) => o.cuid],
  ["cgid", 5, (o) => o.cgid],
];

export function sysvipcDir(k: Kernel): ProcDir {
  const { shm, sem, msg } = k.ipc;
  return procDir(0o555, {
    msg: table(msg, "msqid", [
      ["cbytes", 10, (q) => q.cbytes],
      ["qnum", 10, (q) => q.messages.length],
      ["lspid", 5, (q) => q.lspid],
      ["lrpid", 5, (q) => q.lrpid],
      ...OWNERS,
      ["stime", 10, (q) => q.stime],
      ["rtime", 10, (q) => q.rtime],
      ["ctime", 10, (q) => q.ctime],
    ]),
    sem: table(sem, "semid", [
      ["nsems", 10, (s) => s.nsems],
      ...OWNERS,
      ["otime", 10, (s) => s.otime],
      ["ctime", 10, (s) => s.ctime],
    ]),
    shm: table(shm, "shmid", [
      ["size", 10, (s) => s.size],
      ["cpid", 5, (s) => s.cpid],
      ["lpid", 5, (s) => s.lpid],
      ["nattch", 6, (s) => s.nattch],
      ...OWNERS,
      ["atime", 10, (s) => s.atime],
      ["dtime", 10, (s) => s.dtime],
      ["ctime", 10, (s) => s.ctime],
      ["rss", 10, (s) => s.object.residentCount * 4096],
      ["swap", 10, (s) => s.object.swappedCount * 4096],
    ]),
  });
}
