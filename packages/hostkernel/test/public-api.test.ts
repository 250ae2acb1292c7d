// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from "vitest";
import * as hostkernel from "@vkernel/hostkernel";
import * as node from "@vkernel/hostkernel/node";

it("exposes exactly these names, besides the constants of frame.ts", () => {
  const constants =
    /^(TF|T|PGEX|PSL|VMSPACE|MADV|PROT|MAP|VPTE|VM|INITIAL|INTR)_|^(TRAPFRAME|VEXTFRAME)_WORDS$|^LU\w+_SEL$|^N?GTLS(_START)?$/;
  expect(
    Object.keys(hostkernel)
      .filter((name) => !constants.test(name))
      .sort(),
  ).toMatchInlineSnapshot(`
    [
      "CPUID_VENDOR",
      "CPU_MODELS",
      "Cothread",
      "FEATURE_BITS",
      "FX_BYTES",
      "GdbStub",
      "HostErrno",
      "HostFileError",
      "HostKernel",
      "Interrupts",
      "MemoryImage",
      "SimFiles",
      "SimPlatform",
      "SimTerminal",
      "featureWord",
    ]
  `);
  expect(Object.keys(node)).toEqual(["NodePlatform"]);
});
