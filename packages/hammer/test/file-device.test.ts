// SPDX-License-Identifier: BSD-3-Clause
/** FileDevice and its lock, with real files and real processes. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FileDevice } from "../src/node.ts";

const dir = mkdtempSync(join(tmpdir(), "hammer-device-"));
const image = join(dir, "disk.img");
/** A program that opens the image for writing, says so, and waits to be killed. */
const holder = join(dir, "holder.mjs");

beforeAll(() => {
  const src = fileURLToPath(new URL("../src/", import.meta.url));
  for (const name of ["error", "device", "node/lock", "node/file-device"]) {
    const js = ts.transpileModule(readFileSync(`${src}${name}.ts`, "utf8"), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    }).outputText.replaceAll(/"\.[./]*\/([a-z-]+)\.ts"/g, '"./$1.mjs"');
    writeFileSync(join(dir, `${name.split("/").at(-1)}.mjs`), js);
  }
  writeFileSync(holder, `import { FileDevice } from "./file-device.mjs";
    const d = new FileDevice(process.argv[2], { readOnly: false });
    console.log("open"); setInterval(() => d.size, 1000);`);
});
afterAll(() => rmSync(dir, { recursive: true }));

it("creates, writes, flushes, reads back, and refuses what it must", () => {
  const d = new FileDevice(image, { create: true, size: 100_000 });
  d.write(99_000, Uint8Array.of(1, 2, 3));
  d.flush();
  const b = new Uint8Array(4);
  d.read(98_999, b);
  expect([...b]).toEqual([0, 1, 2, 3]);
  expect(() => d.write(99_999, b)).toThrowError(expect.objectContaining({ code: "EINVAL" }));
  d.close();
  expect(() => d.read(0, b)).toThrowError(expect.objectContaining({ code: "E_CLOSED" }));
  expect(() => new FileDevice(image, { create: true, size: 1 })).toThrowError(expect.objectContaining({ code: "EEXIST" }));
  expect(() => new FileDevice(`${image}.no`)).toThrowError(expect.objectContaining({ code: "ENOENT" }));
  expect(existsSync(`${image}.lock`)).toBe(false);
});

it("I-EXCL: a second writer is refused by name, a reader is not", () => {
  const d = new FileDevice(image, { readOnly: false });
  const link = join(dir, "other-name.img");
  symlinkSync(image, link);
  expect(() => new FileDevice(link, { readOnly: false }))
    .toThrowError(expect.objectContaining({ code: "E_LOCKED", message: expect.stringContaining(`process ${process.pid}`) }));
  const reader = new FileDevice(image);
  expect(() => reader.write(0, new Uint8Array(1))).toThrowError(expect.objectContaining({ code: "EROFS" }));
  reader.close();
  d.close();
  new FileDevice(image, { readOnly: false }).close();
});

it("L2: the lock of a killed process counts no more", async () => {
  const child = spawn(process.execPath, [holder, image], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", () => reject(new Error("the holder ended early")));
  });
  expect(() => new FileDevice(image, { readOnly: false }))
    .toThrowError(expect.objectContaining({ code: "E_LOCKED", message: expect.stringContaining(`process ${child.pid}`) }));
  const second = spawnSync(process.execPath, [holder, image], { encoding: "utf8", timeout: 20_000 });
  expect(second.status).not.toBe(0);
  expect(second.stderr).toContain(`in use for writing by process ${child.pid}`);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  expect(existsSync(`${image}.lock`)).toBe(true); // nobody cleaned up
  const d = new FileDevice(image, { readOnly: false });
  d.close();
  expect(existsSync(`${image}.lock`)).toBe(false);
});

it("L2: a process id that was given to someone else does not hold it", () => {
  const d = new FileDevice(image, { readOnly: false });
  const text = readFileSync(`${image}.lock`, "utf8");
  d.close();
  const record = JSON.parse(text) as { pid: number; started: string };
  if (record.started === "") return; // the system does not tell start times
  writeFileSync(`${image}.lock`, JSON.stringify({ ...record, started: "1" }));
  new FileDevice(image, { readOnly: false }).close();
});

it("L3: a lock of another machine is respected", () => {
  writeFileSync(join(dir, "foreign"), JSON.stringify({ pid: 1, started: "", machine: "elsewhere x y", command: "init" }));
  linkSync(join(dir, "foreign"), `${image}.lock`);
  expect(() => new FileDevice(image, { readOnly: false }))
    .toThrowError(expect.objectContaining({ code: "E_LOCKED", message: expect.stringContaining("elsewhere") }));
  rmSync(`${image}.lock`);
});
