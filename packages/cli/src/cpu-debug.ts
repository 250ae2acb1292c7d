// SPDX-License-Identifier: BSD-3-Clause
/** Options of `vkernel run` for those who look into the processor, and what they print. */
import { writeFileSync } from "node:fs";
import type { BootOptions, JitStatistics, VirtualKernel } from "@vkernel/vkernel";
import { CliError } from "./ui/errors.ts";

export interface CpuDebugOptions {
  readonly lockstep?: string;
  readonly dumpRegion?: string;
  readonly traceRegions?: string;
  readonly jitStats?: boolean;
}

function number(option: string, text: string, least: number, what: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < least) throw new CliError(option, `'${text}' is not ${what}`, `a number from ${least}`);
  return n;
}

/** What the kernel is to be booted with. */
export function cpuDebug(options: CpuDebugOptions): Pick<BootOptions, "lockstep" | "traceRegions" | "regionCompiled"> {
  const { lockstep, dumpRegion, traceRegions } = options;
  const wanted = dumpRegion === undefined ? null : number("--dump-region", dumpRegion, 0, "an address");
  return {
    ...(lockstep === undefined ? {} : { lockstep: number("--lockstep", lockstep, 1, "a number of instructions") }),
    traceRegions: traceRegions !== undefined,
    ...(wanted === null
      ? {}
      : {
          regionCompiled: (dump) => {
            if (dump.instructions.includes(wanted)) process.stderr.write(dump.text());
          },
        }),
  };
}

/** Writes what was asked for, at the end or after a panic. */
export function reportCpuDebug(vk: VirtualKernel, options: CpuDebugOptions): void {
  if (options.traceRegions !== undefined) {
    const hex = (n: number): string => n.toString(16).padStart(8, "0");
    const lines = vk.regionTrace().map(({ instructions, region, reason, eip }) => {
      const when = Number.isNaN(instructions) ? "?" : `${instructions}`;
      return `${when.padStart(14)} region ${hex(region)} ${reason.padEnd(9)} ${hex(eip)}\n`;
    });
    const text = lines.join("");
    if (options.traceRegions === "-") process.stderr.write(text);
    else writeFileSync(options.traceRegions, text);
  }
  if (options.jitStats === true) process.stderr.write(jitText(vk.stats().host.jit));
}

/** What the compiler did, for people. */
function jitText(jit: JitStatistics): string {
  const share = jit.retired === 0 ? 0 : (100 * (jit.retired - jit.regionRetired)) / jit.retired;
  const times = Object.entries(jit.compileMs).map(([what, ms]) => `${what} ${ms.toFixed(1)}`);
  const exits = Object.entries(jit.exits).map(([reason, n]) => `${reason} ${n}`);
  return [
    `instructions    ${jit.retired}, ${share.toFixed(2)} % interpreted`,
    `regions         ${jit.regions} compiled, ${jit.liveRegions} live, in ${jit.modules} modules`,
    `code            ${jit.codeBytes} bytes, ${jit.liveBytes} live, for ${jit.compiledInstructions} guest instructions`,
    `compile time    ${times.join(", ")} ms`,
    `entries         ${jit.regionEntries} from the interpreter, ${jit.chained} from region to region`,
    `exits           ${exits.join(", ")}`,
    "",
  ].join("\n");
}
