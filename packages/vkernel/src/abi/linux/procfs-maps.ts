// SPDX-License-Identifier: BSD-3-Clause
/** /proc/PID/maps, smaps and smaps_rollup (proc(5); Linux fs/proc/task_mmu.c): the mappings of a process, and how much of each is in memory. */
import { ESRCH } from "../../sys/errno.ts";
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../sys/mman.ts";
import type { Proc } from "../../kern/proc.ts";
import { cacheFullpath } from "../../vfs/namecache.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { VnodePager } from "../../vfs/vnode-pager.ts";
import { UNWIRED, type VmMapEntry } from "../../vm/map-entry.ts";
import { mapCounts } from "../../vm/map-counts.ts";
import { PG_DIRTY } from "../../vm/page.ts";
import { isSwapped } from "../../vm/pageout.ts";
import { pmapPte, VPTE_A, VPTE_M, VPTE_MANAGED } from "../../vm/pmap.ts";
import { mapEntries, type Vmspace } from "../../vm/vmspace.ts";
import { linuxDev } from "./file-flags.ts";
import { ino32 } from "./file-stat.ts";

const h8 = (n: number): string => n.toString(16).padStart(8, "0");

/** The name of a mapped file. */
export function fileNameOf(p: Proc, vp: Vnode): string {
  return (vp.nch === null ? null : cacheFullpath(vp.nch, p.k.mounts.root)) ?? "(deleted)";
}

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
    name = fileNameOf(p, vp);
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

/** Memory of mappings by what Linux tells apart: pages, and in `…pss` bytes · 4096 of pages divided by who maps them. */
interface Usage {
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  referenced: number;
  anonymous: number;
  pss: number;
  pssAnon: number;
  pssFile: number;
  pssShmem: number;
  pssLocked: number;
  /** In swap space, that is not in memory. */
  swapped: number;
  swapPss: number;
}

const noUsage = (): Usage => ({
  sharedClean: 0, sharedDirty: 0, privateClean: 0, privateDirty: 0, referenced: 0, anonymous: 0,
  pss: 0, pssAnon: 0, pssFile: 0, pssShmem: 0, pssLocked: 0, swapped: 0, swapPss: 0,
});

const PSS_PAGE = PAGE_SIZE * 4096;

/**
 * Adds what an entry has in memory and in swap space. `counts`: how often each page is mapped (mapCounts), which makes it shared or
 * private whatever its mapping is. What has no file behind it and is nobody's object counts as modified, since it is nowhere else.
 */
function addUsage(to: Usage, vm: Vmspace, e: VmMapEntry, counts: Int32Array): void {
  const { pages } = vm.sys;
  const { object } = e;
  for (let va = e.start; va < e.end; va += PAGE_SIZE) {
    const pte = pmapPte(vm.pmap, va);
    const pn = pte >>> 12;
    if (isSwapped(pte)) {
      to.swapped++;
      to.swapPss += Math.floor(PSS_PAGE / counts[pn]!);
    } else if (pn === 0) {
      if (object?.swapped((e.offset + va - e.start) / PAGE_SIZE) === true) to.swapped++;
    } else {
      const anonymous = (pte & VPTE_MANAGED) === 0;
      const mapped = counts[pn]!;
      const share = Math.floor(PSS_PAGE / mapped);
      const modified = anonymous || (pte & VPTE_M) !== 0 || (pages.flags[pn]! & PG_DIRTY) !== 0;
      if (mapped > 1) to[modified ? "sharedDirty" : "sharedClean"]++;
      else to[modified ? "privateDirty" : "privateClean"]++;
      if ((pte & VPTE_A) !== 0) to.referenced++;
      if (anonymous) {
        to.anonymous++;
        to.pssAnon += share;
      } else if (object!.pager === null) to.pssShmem += share;
      else to.pssFile += share;
      to.pss += share;
      if (e.wired !== UNWIRED) to.pssLocked += share;
    }
  }
}

const KB = PAGE_SIZE / 1024;
const pssKb = (pss: number): number => Math.floor(pss / 4096 / 1024);
const kbLines = (rows: readonly (readonly [string, number])[]): string =>
  rows.map(([name, kb]) => `${`${name}:`.padEnd(16)}${String(kb).padStart(8)} kB\n`).join("");

/** The lines that smaps and smaps_rollup have in common; `parts` are those that only the latter has. */
function usageLines(u: Usage, parts: readonly (readonly [string, number])[]): string {
  const rss = u.sharedClean + u.sharedDirty + u.privateClean + u.privateDirty;
  return kbLines([
    ["Rss", rss * KB], ["Pss", pssKb(u.pss)], ...parts, ["Shared_Clean", u.sharedClean * KB], ["Shared_Dirty", u.sharedDirty * KB],
    ["Private_Clean", u.privateClean * KB], ["Private_Dirty", u.privateDirty * KB], ["Referenced", u.referenced * KB],
    ["Anonymous", u.anonymous * KB], ["LazyFree", 0], ["AnonHugePages", 0], ["ShmemPmdMapped", 0], ["FilePmdMapped", 0],
    ["Shared_Hugetlb", 0], ["Private_Hugetlb", 0], ["Swap", u.swapped * KB], ["SwapPss", pssKb(u.swapPss)], ["Locked", pssKb(u.pssLocked)],
  ]);
}

export function smapsText(p: Proc): string {
  const { vmspace } = p;
  if (vmspace === null) return "";
  const counts = mapCounts(vmspace.sys);
  let out = "";
  for (const e of mapEntries(vmspace)) {
    const usage = noUsage();
    addUsage(usage, vmspace, e, counts);
    out += mapLine(p, e) + kbLines([["Size", (e.end - e.start) / 1024], ["KernelPageSize", KB], ["MMUPageSize", KB]]) + usageLines(usage, []);
  }
  return out;
}

/** /proc/PID/smaps_rollup: the sums of smaps, and of what kind of memory the share is. */
export function smapsRollupText(p: Proc): string {
  const { vmspace } = p;
  if (vmspace === null) throw ESRCH;
  const entries = mapEntries(vmspace);
  const counts = mapCounts(vmspace.sys);
  const sum = noUsage();
  for (const e of entries) addUsage(sum, vmspace, e, counts);
  const parts = [["Pss_Anon", pssKb(sum.pssAnon)], ["Pss_File", pssKb(sum.pssFile)], ["Pss_Shmem", pssKb(sum.pssShmem)]] as const;
  const head = `${h8(entries[0]?.start ?? 0)}-${h8(entries.at(-1)?.end ?? 0)} ---p 00000000 00:00 0 `;
  return `${head.padEnd(49)}[rollup]\n${usageLines(sum, parts)}`;
}
