// SPDX-License-Identifier: BSD-3-Clause
import os from "node:os";
import { describe, expect, it } from "vitest";
import { allErrnos, EIO } from "../../sys/errno.ts";
import { linuxErrno } from "./errno.ts";

describe("Linux's error numbers", () => {
  it("every error that a call may fail with has one", () => {
    const without = [...allErrnos()].filter((e) => e.native > 0 && e !== EIO && linuxErrno(e) === linuxErrno(EIO));
    expect(without.map((e) => e.name)).toEqual([]);
  });

  it.runIf(process.platform === "linux")("they are the host's", () => {
    const host: Readonly<Record<string, number>> = os.constants.errno;
    const known = [...allErrnos()].filter((e) => host[e.name] !== undefined);
    expect(known.length).toBeGreaterThan(60);
    expect(known.map((e) => `${e.name} ${linuxErrno(e)}`)).toEqual(known.map((e) => `${e.name} ${host[e.name]}`));
  });
});
