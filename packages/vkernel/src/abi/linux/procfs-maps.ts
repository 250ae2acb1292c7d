// SPDX-License-Identifier: BSD-3-Clause
/** /proc/PID/maps and smaps (proc(5); Linux fs/proc/task_mmu.c): the mappings of a process, and how much of each is in memory. */
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../sys/mman.ts";
import type { Proc } from "../../kern/proc.ts";
import { cacheFullpath } from "../../vfs/namecache.ts";
import { VnodePager } from "../../vfs/vnode-pager.ts";
import type { VmMapEntry } from "../../vm/map-entry.ts";
import { isSwapped } from "../../vm/pageout.ts";
import { type Pmap, pmapPte, VPTE_M, VPTE_V, VPTE_W } from "../../vm/pmap.ts";
import { mapEntries } from "../../vm/vmspace.ts";
import { linuxDev } from "./file-flags.ts";
import { ino32 } from "./file-stat.ts";

const h8 = (n: number): string => n.toString(16).padStart(8, "0");

function mapLine(p: Proc, e: VmMapEntry): string {
  const pager = e.object?.pager ?? null;
  const vp = pager instanceof VnodePager ? pager.vp : null;
  const prot =
    ((e.prot & PROT_READ) !== 0 ? "r" : "-") +
    ((e.prot & PROT_WRITE) !== 0 ? "w" : "-") +
    ((e.prot & PROT_EXEC) !== 0 ? "x" : "-") +
    (e.shared ? "s" : "p");
  let dev = "00:00";
  let ino = 0;
  let name = e.tag === "" ? "" : `[${e.tag}]`;
  if (vp !== null) {
    const va = vp.getattr();
    const st = linuxDev(0, va.fsid);
    dev = `${((st >> 8) & 0xfff).toString(16).padStart(2, "0")}:${(st & 0xff).toString(16).padStart(2, "0")}`;
    ino = ino32(va.fileid);
    name = (vp.nch === null ? null : cacheFullpath(vp.nch, p.k.mounts.root)) ?? "(deleted)";
  }
  const line = `${h8(e.start)}-${h8(e.end)} ${prot} ${h8(e.offset)} ${dev} ${ino} `;
  return name === "" ? `${line}\n` : `${line.padEnd(49)}${name}\n`;
}

export function mapsText(p: Proc): string {
  if (p.vmspace === null) return "";
  let out = "";
  for (const e of mapEntries(p.vmspace)) out += mapLine(p, e);
  return out;
}

/** Pages of an entry that are in memory, by what Linux tells apart. */
interface Resident {
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  anonymous: number;
  /** In swap space, that is not in memory. */
  swapped: number;
}

/**
 * What is mapped privately from a file is the file's own page until it is written to, and may be in other mappings too; what has no
 * file behind it counts as modified, since it is nowhere else.
 */
function residentOf(pm: Pmap, e: VmMapEntry): Resident {
  const r: Resident = { sharedClean: 0, sharedDirty: 0, privateClean: 0, privateDirty: 0, anonymous: 0, swapped: 0 };
  const isFile = e.object?.pager instanceof VnodePager;
  for (let va = e.start; va < e.end; va += PAGE_SIZE) {
    const pte = pmapPte(pm, va);
    if ((pte & VPTE_V) === 0) {
      if (isSwapped(pte)) r.swapped++;
      continue;
    }
    const modified = (pte & VPTE_M) !== 0;
    if (e.shared) {
      if (modified) r.sharedDirty++;
      else r.sharedClean++;
    } else if (isFile && !modified && (pte & VPTE_W) === 0) r.sharedClean++;
    else {
      r.privateDirty++;
      r.anonymous++;
    }
  }
  return r;
}

const KB = PAGE_SIZE / 1024;

export function smapsText(p: Proc): string {
  const { vmspace } = p;
  if (vmspace === null) return "";
  let out = "";
  for (const e of mapEntries(vmspace)) {
    const r = residentOf(vmspace.pmap, e);
    const rss = r.sharedClean + r.sharedDirty + r.privateClean + r.privateDirty;
    const rows: readonly (readonly [string, number])[] = [
      ["Size", (e.end - e.start) / PAGE_SIZE], ["KernelPageSize", 1], ["MMUPageSize", 1], ["Rss", rss], ["Pss", rss],
      ["Shared_Clean", r.sharedClean], ["Shared_Dirty", r.sharedDirty], ["Private_Clean", r.privateClean],
      ["Private_Dirty", r.privateDirty], ["Referenced", rss], ["Anonymous", r.anonymous], ["LazyFree", 0], ["AnonHugePages", 0],
      ["Swap", r.swapped], ["SwapPss", r.swapped], ["Locked", e.wired ? rss : 0],
    ];
    out += mapLine(p, e);
    for (const [name, pages] of rows) out += `${`${name}:`.padEnd(16)}${String(pages * KB).padStart(8)} kB\n`;
  }
  return out;
}
