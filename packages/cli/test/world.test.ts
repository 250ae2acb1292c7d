// SPDX-License-Identifier: BSD-3-Clause
/** The shipped world: its manifest is sound, and where a 32-bit compiler exists its sources give the same bytes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const SHIPPED = fileURLToPath(new URL("../world", import.meta.url));
const BUILDER = new URL("../../../world/build.mjs", import.meta.url).href;

interface Entry {
  path: string;
  type: "dir" | "file" | "hardlink" | "symlink";
  mode: number;
  source?: string;
  target?: string;
}
interface Manifest {
  compiler: string;
  mtime: number;
  entries: Entry[];
}
interface Builder {
  buildWorld(output: string): Promise<void>;
  compilerVersion(): Promise<string>;
}

const manifest = JSON.parse(readFileSync(join(SHIPPED, "manifest.json"), "utf8")) as Manifest;

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => relative(dir, join(e.parentPath, e.name)))
    .sort();
}

/** Why the sources cannot be built here, or null. */
function cannotBuild(): string | null {
  const dir = mkdtempSync(join(tmpdir(), "world-probe-"));
  try {
    const source = "void _start(void) { for (;;) ; }";
    execFileSync("gcc", ["-m32", "-nostdlib", "-static", "-x", "c", "-", "-o", join(dir, "probe")], { input: source, stdio: "pipe" });
    execFileSync("objcopy", ["--version"], { stdio: "pipe" });
    return null;
  } catch {
    return "gcc -m32 and objcopy are needed to rebuild the world";
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe("the manifest", () => {
  it("lists parents before children, and every path once", () => {
    const seen = new Set<string>();
    for (const e of manifest.entries) {
      expect(seen.has(e.path), e.path).toBe(false);
      const parent = e.path.slice(0, Math.max(1, e.path.lastIndexOf("/")));
      if (e.path !== "/") expect(seen.has(parent), `${parent} before ${e.path}`).toBe(true);
      seen.add(e.path);
      if (e.type === "hardlink") expect(seen.has(e.target!), `${e.path} links to ${e.target!}`).toBe(true);
    }
  });

  it("names exactly the files that ship", () => {
    const named = new Set(manifest.entries.filter((e) => e.type === "file").map((e) => e.source!));
    expect(filesBelow(SHIPPED).filter((f) => f !== "manifest.json")).toEqual([...named].sort());
  });

  it("stays small", () => {
    const bytes = filesBelow(SHIPPED).reduce((n, f) => n + statSync(join(SHIPPED, f)).size, 0);
    expect(bytes).toBeLessThan(2 * 1024 * 1024);
  });

  it("holds the programs that users expect", () => {
    const names = new Set(manifest.entries.map((e) => e.path.slice(e.path.lastIndexOf("/") + 1)));
    const wanted =
      "init sh ls cat cp mv rm ln mkdir rmdir touch chmod chown stat echo printf test [ true false pwd env sleep date time kill ps uname id " +
      "mount umount df sync dd head tail wc grep sort cmp hexdump tee reboot halt hammer undo";
    expect(wanted.split(" ").filter((name) => !names.has(name))).toEqual([]);
  });
});

describe("the executable", () => {
  const elf = readFileSync(join(SHIPPED, "programs"));

  it("is a static i386 ELF file with DragonFly's ABI note in its first page", () => {
    expect(elf.subarray(0, 7)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]));
    expect(elf.readUInt16LE(16)).toBe(2); // ET_EXEC
    expect(elf.readUInt16LE(18)).toBe(3); // EM_386
    const types: number[] = [];
    let note = 0;
    for (let i = 0; i < elf.readUInt16LE(44); i++) {
      const at = elf.readUInt32LE(28) + i * 32;
      types.push(elf.readUInt32LE(at));
      if (elf.readUInt32LE(at) === 4) note = elf.readUInt32LE(at + 4);
    }
    expect(types).not.toContain(3); // PT_INTERP
    expect(note).toBeGreaterThan(0);
    expect(note).toBeLessThan(4096 - 32);
    expect([elf.readUInt32LE(note), elf.readUInt32LE(note + 4), elf.readUInt32LE(note + 8)]).toEqual([10, 4, 1]);
    expect(elf.toString("latin1", note + 12, note + 22)).toBe("DragonFly\0");
    expect(elf.readUInt32LE(note + 24)).toBe(200000);
  });

  it("contains no path of the machine that built it", () => {
    expect(elf.includes("/tmp/")).toBe(false);
    expect(elf.includes("world/libc")).toBe(false);
  });
});

const reason = cannotBuild();

describe.skipIf(reason !== null)(`rebuilt from its sources${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let dir = "";
  let version = "";

  beforeAll(async () => {
    const builder = (await import(/* @vite-ignore */ BUILDER)) as Builder;
    version = await builder.compilerVersion();
    dir = mkdtempSync(join(tmpdir(), "world-test-"));
    await builder.buildWorld(dir);
  }, 120_000);
  afterAll(() => {
    if (dir !== "") rmSync(dir, { recursive: true });
  });

  it("has the same tree", () => {
    const rebuilt = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8")) as Manifest;
    expect(rebuilt.entries).toEqual(manifest.entries);
    expect(filesBelow(dir)).toEqual(filesBelow(SHIPPED));
  });

  it("has the same bytes, given the same compiler", ({ skip }) => {
    if (version !== manifest.compiler) skip(`shipped files were built by ${manifest.compiler}; this is ${version}`);
    for (const f of filesBelow(SHIPPED)) {
      expect(readFileSync(join(dir, f)).equals(readFileSync(join(SHIPPED, f))), f).toBe(true);
    }
  });
});
