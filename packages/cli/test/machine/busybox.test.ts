// SPDX-License-Identifier: BSD-3-Clause
/** Debian's unmodified busybox from a HAMMER image: the programs work, changes persist, the image stays sound. */
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { debianRoot, hammer, NO_ROOTS, scratch, vkernel } from "./harness.ts";

const root = debianRoot("busybox");

describe.skipIf(root === null)(`busybox on a HAMMER image${root === null ? `: ${NO_ROOTS}` : ""}`, () => {
  const dir = scratch();
  const image = path.join(dir, "root.img");
  const data = path.join(dir, "data");
  const sh = (script: string) => vkernel(["run", "--root", image, "--", "/bin/busybox", "sh", "-c", script]);

  it("makes the image from a folder", () => {
    const result = vkernel(["image", "create", image, "--from", root!]);
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
    expect(existsSync(image)).toBe(true);
  });

  it("runs loops, pipes and the text tools", () => {
    const script = [
      "for i in 1 2 3; do echo line $i; done | busybox sed 's/line/row/' | busybox sort -r",
      "busybox seq 1 10 | busybox awk '{ s += $1 * $1 } END { print s }'",
      "busybox find /etc -type f | busybox sort",
      "mkdir -p /w/a/b; echo one > /w/a/1; echo two > /w/a/b/2; cd /w; busybox tar c a | busybox tar t",
      "busybox tar c a | busybox gzip | busybox gunzip | busybox sha1sum > /w/x; busybox tar c a | busybox sha1sum | busybox cmp - /w/x && echo same",
      "exit 7",
    ].join("\n");
    const result = sh(script);
    expect(result.stdout.split("\n")).toEqual([
      ...["row 3", "row 2", "row 1", "385", "/etc/group", "/etc/passwd"],
      ...["a/", "a/b/", "a/b/2", "a/1"].toSorted((a, b) => result.stdout.indexOf(a) - result.stdout.indexOf(b)),
      ...["same", ""],
    ]);
    expect(result.stderr).toBe("");
    expect(result.status).toBe(7);
  });

  it("sums 16 MiB right", () => {
    const bytes = new Uint8Array(16 << 20);
    let x = 1;
    for (let i = 0; i < bytes.length; i++) bytes[i] = (x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 16;
    writeFileSync(data, bytes);
    expect(vkernel(["image", "cp", data, `${image}:/data`]).status).toBe(0);
    const result = sh("busybox sha256sum /data");
    expect(result.stdout).toBe(`${createHash("sha256").update(bytes).digest("hex")}  /data\n`);
  });

  it("keeps what was written, and the image has no bad checksum", () => {
    expect(sh("echo kept > /kept; ln /kept /kept2; mv /kept2 /w/kept3").status).toBe(0);
    expect(sh("cat /kept /w/kept3; stat -c %h /kept").stdout).toBe("kept\nkept\n2\n");
    expect(vkernel(["image", "cat", image, "/kept"]).stdout).toBe("kept\n");
    const show = hammer(["-f", image, "show"]);
    expect(show.status).toBe(0);
    const elements = show.stdout.split("\n").filter((line) => line.includes("ELM"));
    expect(elements.length).toBeGreaterThan(100);
    // The first columns flag what is wrong with an element: B is a bad checksum.
    expect(elements.filter((line) => /^\s*[A-Z]*B[A-Z]*\s*(ELM|[A-Z]* ELM)/.test(line))).toEqual([]);
  });
});
