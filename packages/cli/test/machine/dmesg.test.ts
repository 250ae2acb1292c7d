// SPDX-License-Identifier: BSD-3-Clause
/** What users see of the kernel's messages and of its end: dmesg, /dev/kmsg, and a panic with its state and exit status. */
import { describe, expect, it } from "vitest";
import { debianRoot, NO_ROOTS, vkernel } from "./harness.ts";

const root = debianRoot("busybox");
const reason = root === null ? NO_ROOTS : null;
const shell = (script: string): ReturnType<typeof vkernel> => vkernel(["run", "--root", root!, "--", "/bin/busybox", "sh", "-c", script]);
const withoutTimes = (text: string): string => text.replaceAll(/^((?:<\d+>)?)\[ *\d+\.\d{6}\] /gm, "$1");

describe.skipIf(reason !== null)(`messages of the kernel${reason === null ? "" : `: ${reason}`}`, () => {
  it("dmesg prints them, clears them, and prints what programs add", () => {
    const { stdout, status } = shell(
      "busybox sh -c 'kill -11 $$' 2>/dev/null; busybox dmesg | busybox tail -n 2; busybox dmesg -c >/dev/null; busybox dmesg; echo '<3>from a program' >/dev/kmsg; busybox dmesg; busybox dmesg -r | busybox tail -n 1; busybox cat /proc/kmsg | busybox wc -l; busybox cat /proc/kmsg; busybox dmesg -n 4",
    );
    expect(withoutTimes(stdout)).toBe(
      `Mounting root from dirfs:${root}\npid 3 (busybox), uid 0: exited on signal 11\nfrom a program\n<11>from a program\n3\n`,
    );
    expect(status).toBe(0);
  });

  it("a panic prints the state of the kernel and ends with 70", () => {
    const { stdout, stderr, status } = shell("busybox sleep 100 & echo before; echo c > /proc/sysrq-trigger; echo after");
    expect(stdout).toBe("before\n");
    expect(status).toBe(70);
    expect(stderr).toMatch(/^vkernel: panic: sysrq triggered crash\nthread 2 of pid 2 \(busybox\), linux system call write \(4\)\narguments 00000001 /m);
    expect(stderr).toMatch(/^eip [\da-f]{8} {2}cs 0000001f {2}eflags [\da-f]{8} {2}esp [\da-f]{8} {2}ss 0000002f\n/m);
    expect(stderr).toMatch(/^processes: 1 init.*, 2 busybox \[run\], 3 (busybox|exe) \[\w+\]\npages: \d+ of \d+ free\n/m);
  });

  it("who is not root cannot make it panic", () => {
    const { stdout, status } = shell("busybox su -s /bin/busybox nobody sh -c 'echo c > /proc/sysrq-trigger' 2>/dev/null; echo $? after");
    expect(stdout).toMatch(/^[1-9]\d* after\n$/);
    expect(status).toBe(0);
  });
});
