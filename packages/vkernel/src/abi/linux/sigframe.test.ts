// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { ksiginfo } from "../../kern/sig.ts";
import { SIGTRAP, TRAP_BRKPT, TRAP_TRACE } from "../../sys/signal.ts";
import { encodeSiginfo } from "./sigframe.ts";

/** {si_signo, si_code, si_addr} of the signal of a trap at address 0x8049000. */
function siginfo(code: number): number[] {
  const info = ksiginfo(SIGTRAP, code);
  info.addr = 0x804_9000;
  const dv = new DataView(new ArrayBuffer(128));
  encodeSiginfo(dv, 0, info);
  return [0, 8, 12].map((at) => dv.getInt32(at, true));
}

describe("siginfo of traps", () => {
  it("int3 has the kernel's code and no address, single-stepping TRAP_TRACE and where, as Linux has on a processor", () => {
    expect(siginfo(TRAP_BRKPT)).toEqual([5, 0x80, 0]);
    expect(siginfo(TRAP_TRACE)).toEqual([5, 2, 0x804_9000]);
  });
});
