// SPDX-License-Identifier: BSD-3-Clause
/** What is printed when the kernel has failed: who ran, where, and who else there was. */
import type { Kernel } from "./kernel.ts";
import type { Proc } from "./proc.ts";

const REGS = ["gs", "fs", "es", "ds", "edi", "esi", "ebp", "isp", "ebx", "edx", "ecx", "eax", "xflags", "trapno", "err", "eip", "cs", "eflags", "esp", "ss"];

const hex = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");

/** A description of the kernel's state in lines of text. */
export function panicState(k: Kernel): string {
  const lines: string[] = [];
  const lp = k.curlwp;
  if (lp === null) lines.push("no thread was running");
  else {
    const p = lp.proc;
    lines.push(`thread ${lp.tid} of pid ${p.pid} (${p.comm}), ${p.abi.name} system call ${p.abi.row(lp.sysnr).name} (${lp.sysnr})`);
    lines.push(`arguments ${Array.from(lp.args.subarray(0, 6), hex).join(" ")}`);
    for (let i = 0; i < 20; i += 5) {
      lines.push(REGS.slice(i, i + 5).map((name, j) => `${name} ${hex(lp.tf[i + j]!)}`).join("  "));
    }
  }
  lines.push(`processes: ${[...k.procs.values()].map(describe).join(", ")}`);
  lines.push(`pages: ${k.vm.freePages()} of ${k.vm.totalPages} free`);
  return lines.join("\n");
}

function describe(p: Proc): string {
  const waits = [...p.lwps.values()].map((l) => (l.wmesg === "" ? "run" : l.wmesg)).join("/");
  return `${p.pid} ${p.comm}${waits === "" ? "" : ` [${waits}]`}`;
}
