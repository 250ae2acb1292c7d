// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel run --cpu`: guests see the processor that was asked for, and Debian's programs run on an old and on the newest one. */
import { describe, expect, it } from "vitest";
import { debianRoot, NO_ROOTS, vkernel } from "./harness.ts";

const busybox = debianRoot("busybox");
const debian = debianRoot("debian");
const flagsOf = (cpuinfo: string): string[] => /^flags\t\t: (.*)$/m.exec(cpuinfo)![1]!.split(" ");

describe.skipIf(busybox === null)(`processors${busybox === null ? `: ${NO_ROOTS}` : ""}`, () => {
  const cpuinfo = (...options: string[]): string =>
    vkernel(["run", ...options, "--root", busybox!, "--", "/bin/busybox", "cat", "/proc/cpuinfo"]).stdout;

  it("a Pentium II is one in /proc/cpuinfo", () => {
    const text = cpuinfo("--cpu", "pentium2");
    expect(text).toContain("vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 5\n");
    expect(flagsOf(text)).toEqual(["fpu", "tsc", "cx8", "cmov", "mmx", "fxsr"]);
  });
  it("without the option there is everything", () => {
    expect(flagsOf(cpuinfo())).toEqual(expect.arrayContaining(["cmov", "sse2", "pni", "ssse3", "sse4_1", "sse4_2", "popcnt"]));
  });
  it("an unknown name is refused with the known ones", () => {
    const result = vkernel(["run", "--cpu", "pentium9", "--root", busybox!, "--", "/bin/busybox", "true"]);
    expect(result.stderr).toMatch(/pentium9.*pentium2.*nehalem/);
    expect(result.status).not.toBe(0);
  });
});

describe.skipIf(debian === null)(`Debian's C library${debian === null ? `: ${NO_ROOTS}` : ""}`, () => {
  const script = "printf '%.6f\\n' 2.5e-1; printf '%s\\n' one two three | sort | tr a-z A-Z; echo ${#PATH}";
  it.each(["pentiumpro", "pentium4", "max"])("finds what it needs on %s", (cpu) => {
    const result = vkernel(["run", "--cpu", cpu, "--root", debian!, "-e", "PATH=/bin:/usr/bin", "--", "/bin/bash", "-c", script]);
    expect(result).toEqual({ stdout: "0.250000\nONE\nTHREE\nTWO\n13\n", stderr: "", status: 0 });
  });
});
