// SPDX-License-Identifier: BSD-3-Clause
/** What commands refuse before they touch anything. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { ImageLock } from "@vkernel/hammer/node";
import { create } from "../src/cmd/image/create.ts";
import { writeText } from "../src/cmd/image/files.ts";
import { withImage } from "../src/cmd/image/open.ts";
import { mountLines } from "../src/cmd/serve/nfs.ts";
import { connectLines, serveSmb } from "../src/cmd/serve/smb.ts";
import { swapFile } from "../src/cmd/run.ts";
import { main } from "../src/main-vkernel.ts";
import { bracketed, publishedPort } from "../src/network.ts";
import { runtimeDir } from "../src/control/runtime-dir.ts";
import { machineFileOf } from "../src/machine-file.ts";
import { stateDir } from "../src/state-dir.ts";
import { moment } from "../src/ui/moment.ts";

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

describe("image create --force", () => {
  it("keeps the old image when the new one cannot be filled, and leaves nothing beside it", async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
    const image = path.join(dir, "old.img");
    const bad = path.join(dir, "bad.tar");
    writeFileSync(image, "old");
    writeFileSync(bad, "no archive ".repeat(100));
    await expect(create(image, { from: [bad], size: "128m", memory: "512m", force: true })).rejects.toThrow();
    expect(readFileSync(image, "utf8")).toBe("old");
    expect(readdirSync(dir).sort()).toEqual(["bad.tar", "old.img"]);
    await create(image, { size: "128m", memory: "512m", force: true });
    expect(statSync(image).size).toBe(128 << 20);
    expect(readdirSync(dir).sort()).toEqual(["bad.tar", "old.img"]);
    rmSync(dir, { recursive: true });
  });
  it("does not take an image away from a process that writes to it", async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
    const image = path.join(dir, "used.img");
    await create(image, { size: "128m", memory: "512m" });
    const lock = new ImageLock(image);
    await expect(create(image, { size: "128m", memory: "512m", force: true })).rejects.toThrow(`is in use by process ${process.pid}`);
    lock.release();
    rmSync(dir, { recursive: true });
  });
});

describe("run --swap", () => {
  it("refuses a file system, and leaves it as it is", async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
    const image = path.join(dir, "home.img");
    await create(image, { size: "128m", memory: "512m" });
    const before = readFileSync(image);
    expect(() => swapFile(image)).toThrow(`--swap: ${image} holds a HAMMER file system`);
    expect(readFileSync(image).equals(before)).toBe(true);
    expect(readdirSync(dir)).toEqual(["home.img"]);
    rmSync(dir, { recursive: true });
  });
});

describe("the exit status of what fails before a program runs", () => {
  it.each([
    [125, "run --root /nowhere/root.img -- /bin/sh", "/nowhere/root.img: no such file or directory"],
    [125, "run", "missing required argument 'program'"],
    [125, "boot -f /nowhere/machine.json", "/nowhere/machine.json: no such file or directory"],
    [125, "boot -f /", "/: is a directory, not a machine file"],
    [125, "run -u 4294967295 id", "-u 4294967295: '4294967295' is no id"],
    [125, "run -u 0:99999999999 id", "-u 0:99999999999: '99999999999' is no id"],
    [125, "exec no-such-machine sh", "no-such-machine: no machine of this name is running"],
    [125, "exec", "missing required argument 'name'"],
    [1, "stop no-such-machine", "no-such-machine: no machine of this name is running"],
    [1, "frob", "unknown command 'frob'"],
    [1, "image create /nowhere/new.img", "/nowhere/new.img.new: there is no such folder to make it in"],
  ])("%i: vkernel %s", async (status, line, message) => {
    const written: string[] = [];
    const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
    const result = await main(line.split(" ")).finally(() => write.mockRestore());
    expect(written.join("")).toContain(`vkernel: ${message}`);
    expect(result).toBe(status);
  });
});

describe("image create --debian", () => {
  it("refuses a half-made image of other options and says which", async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
    const image = path.join(dir, "deb.img");
    await create(`${image}.part`, { size: "128m", memory: "512m" });
    const asked = { names: ["samba"], size: 128 << 20, label: "DEB", version: null, sources: null };
    await withImage(`${image}.part`, { write: true }, (m) => writeText(m, "/var/lib/vkernel/create.json", JSON.stringify({ format: 2, asked, packages: [], base: [] })));
    const before = readFileSync(`${image}.part`);
    const other = create(image, { debian: ["hello"], cache: path.join(dir, "cache"), size: "256m", memory: "512m" });
    await expect(other).rejects.toThrow(`${image}.part: is a half-made image of --debian samba, --size 128M`);
    expect(readFileSync(`${image}.part`).equals(before)).toBe(true);
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

describe("lines that clients copy", () => {
  const share = { name: "my files", path: "/srv/x", user: "ada", readOnly: false };
  it("have IPv6 addresses as each client takes them", () => {
    expect(mountLines("::1", 2049, "/srv")).toEqual([
      "Linux:  sudo mount -t nfs -o vers=3,proto=tcp6,mountproto=tcp6,port=2049,mountport=2049,nolock [::1]:/srv /mnt",
      "macOS:  sudo mount -t nfs -o vers=3,proto=tcp6,port=2049,mountport=2049,locallocks [::1]:/srv /private/nfs",
      "libnfs: nfs-ls 'nfs://::1/srv?nfsport=2049&mountport=2049'",
    ]);
    expect(connectLines("fe80::1", 445, share)).toEqual([
      "smbclient: smbclient -p 445 -U ada -I fe80::1 '//server/my files'",
      "Linux:     sudo mount -t cifs -o ip=fe80::1,port=445,username=ada,vers=3.1.1 '//server/my files' /mnt",
      "macOS:     open 'smb://ada@[fe80::1]:445/my%20files'",
      'Windows:   net use Z: "\\\\fe80--1.ipv6-literal.net\\my files" /user:ada',
    ]);
  });
  it("have names and other addresses as they are", () => {
    expect(mountLines("192.0.2.1", 20490, "/")[0]).toBe("Linux:  sudo mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,port=20490,mountport=20490,nolock 192.0.2.1:/ /mnt");
    expect(connectLines("SERVER", 445, share)[1]).toBe("Linux:     sudo mount -t cifs -o port=445,username=ada,vers=3.1.1 '//SERVER/my files' /mnt");
  });
});

describe("addresses before a colon", () => {
  for (const address of ["127.0.0.1", "::1", "fe80::1", "0.0.0.0"]) {
    it(address, () => {
      expect(publishedPort(`${bracketed(address)}:8080:80`)).toEqual({ host: address, port: 8080, guestPort: 80, kind: "tcp" });
    });
  }
});

describe("folders of the user's", () => {
  it("are not taken from variables that hold relative paths", () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
    const names = ["HOME", "TMPDIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"];
    const before = names.map((name) => [name, process.env[name]] as const);
    try {
      const all = (base: string): void => names.slice(2).forEach((name) => (process.env[name] = base));
      Object.assign(process.env, { HOME: dir, TMPDIR: dir });
      all("relative");
      expect(stateDir()).toBe(path.join(dir, ".local/state/vkernel"));
      expect(runtimeDir()).toBe(path.join(dir, `vkernel-${process.getuid!()}`));
      expect(() => machineFileOf("none")).toThrow(path.join(dir, ".config/vkernel/none.json"));
      all(path.join(dir, "given"));
      expect(stateDir()).toBe(path.join(dir, "given/vkernel"));
      expect(runtimeDir()).toBe(path.join(dir, "given/vkernel"));
      expect(() => machineFileOf("none")).toThrow(path.join(dir, "given/vkernel/none.json"));
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      rmSync(dir, { recursive: true });
    }
  });
});

describe("moments", () => {
  const now = new Date(2026, 2, 31, 12, 30).getTime();
  const local = (...parts: [number, number, number?, number?, number?, number?]): number => new Date(...parts).getTime();
  it.each([
    ["2026-01-02", local(2026, 0, 2)],
    ["2026-01-02T03:04", local(2026, 0, 2, 3, 4)],
    ["2026-01-02 03:04:05", local(2026, 0, 2, 3, 4, 5)],
    ["2026-01-02T03:04:05Z", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["2026-01-02 03:04+01:00", Date.UTC(2026, 0, 2, 2, 4)],
    ["now", now], ["yesterday", now - 86_400_000], ["90 seconds ago", now - 90_000], ["an hour ago", now - 3_600_000],
    ["2  Hours ago", now - 7_200_000], ["last week", now - 7 * 86_400_000],
    ["1 month ago", local(2026, 1, 28, 12, 30)], ["a year ago", local(2025, 2, 31, 12, 30)],
  ])("%s", (text, ms) => expect(moment(text, now)).toBe(ms));
  it.each(["", "1", "ago", "2 ago", "2 fortnights ago", "tomorrow", "2026-13-01", "2026-01-02T99:00", "17:00"])("'%s' is none", (text) => {
    expect(moment(text, now)).toBeNull();
  });
});
