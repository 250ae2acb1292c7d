// SPDX-License-Identifier: BSD-3-Clause
/** What commands refuse before they touch anything. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { create } from "../src/cmd/image/create.ts";
import { serveSmb } from "../src/cmd/serve/smb.ts";
import { bracketed, publishedPort } from "../src/network.ts";
import { stateDir } from "../src/state-dir.ts";

describe("image create --force --debian", () => {
  it("keeps the old image when an argument is wrong", async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
    const image = path.join(dir, "old.img");
    writeFileSync(image, "old");
    const wrong = [{ debian: ["Bad_Name"], memory: "512m" }, { debian: ["hello"], memory: "many" }];
    for (const options of wrong) await expect(create(image, { ...options, force: true })).rejects.toThrow();
    expect(readFileSync(image, "utf8")).toBe("old");
    rmSync(dir, { recursive: true });
  });
});

describe("serve smb", () => {
  const options = { port: "4450", bind: "127.0.0.1", user: "someone", snapshotEvery: "never", memory: "512m" };
  for (const share of ["global", "Homes", "PRINTERS"]) {
    it(`refuses '${share}' as a share`, async () => {
      await expect(serveSmb("none.img:/srv/x", { ...options, share })).rejects.toThrow(/means something else to Samba/);
    });
  }
  it("refuses a path that smb.conf would go on after", async () => {
    await expect(serveSmb("none.img:/srv/x\\", { ...options, share: "x" })).rejects.toThrow(/characters that smb.conf cannot hold/);
  });
});

describe("addresses before a colon", () => {
  for (const address of ["127.0.0.1", "::1", "fe80::1", "0.0.0.0"]) {
    it(address, () => {
      expect(publishedPort(`${bracketed(address)}:8080:80`)).toEqual({ host: address, port: 8080, guestPort: 80, kind: "tcp" });
    });
  }
});

describe("folder of lasting files", () => {
  it("is not taken from a relative XDG_STATE_HOME", () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
    const before = { HOME: process.env["HOME"], XDG_STATE_HOME: process.env["XDG_STATE_HOME"] };
    try {
      Object.assign(process.env, { HOME: dir, XDG_STATE_HOME: "relative" });
      expect(stateDir()).toBe(path.join(dir, ".local/state/vkernel"));
      process.env["XDG_STATE_HOME"] = path.join(dir, "state");
      expect(stateDir()).toBe(path.join(dir, "state/vkernel"));
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      rmSync(dir, { recursive: true });
    }
  });
});
