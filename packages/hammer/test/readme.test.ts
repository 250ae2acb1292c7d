// SPDX-License-Identifier: BSD-3-Clause
/** Every example of README.md, run as it stands: it prints what its comments say. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as hammer from "../src/index.ts";
import * as hammerNode from "../src/node.ts";
import * as promises from "../src/promises.ts";

const require = createRequire(import.meta.url);
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/^## ([^\n]*)\n(?:(?!^## )[^])*?|^```js\n([^]*?)^```/gm)].reduce<{ title: string; code: string }[]>((list, m) => {
  if (m[1] !== undefined) list.push({ title: m[1], code: "" });
  else if (list.length === 0 || list.at(-1)!.code !== "") list.push({ title: "the first example", code: m[2]! });
  else list.at(-1)!.code = m[2]!;
  return list;
}, []).filter((e) => e.code !== "");

const modules: Record<string, unknown> = { "@vkernel/hammer": hammer, "@vkernel/hammer/node": hammerNode, "@vkernel/hammer/promises": promises };
const dir = mkdtempSync(path.join(os.tmpdir(), "hammer-readme-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A disk with a past: /home/ada/thesis.tex changed daily in January 2026. */
beforeAll(() => {
  const image = path.join(dir, "disk.img");
  let time = BigInt(Date.UTC(2026, 0, 4)) * 1000n;
  const now = (): bigint => (time += 1000n);
  hammerNode.createImage(image, { label: "DISK", size: 128 << 20, now });
  const m = hammerNode.openImage(image, { readOnly: false, now });
  const make = (parent: hammer.HammerInode, name: string, type: "dir" | "file"): hammer.HammerInode => m.create(parent, name, { type, mode: 0o755, uid: 0, gid: 0 });
  const home = make(m.root, "home", "dir"), ada = make(home, "ada", "dir"), sub = make(ada, "figures", "dir");
  const thesis = make(ada, "thesis.tex", "file"), figure = make(sub, "one", "file");
  m.write(figure, 0, new Uint8Array(100_000).fill(7), 0, 100_000);
  for (const [day, text] of [[5, "Chapter 1. Monday."], [6, "Chapter 1. Monday and Tuesday."], [7, "Chapter 1. All of it is different now."]] as const) {
    time = BigInt(Date.UTC(2026, 0, day, 12)) * 1000n;
    const bytes = hammer.toByteString(text);
    m.truncate(thesis, 0);
    m.write(thesis, 0, Uint8Array.from(bytes, (c) => c.charCodeAt(0)), 0, bytes.length);
    m.sync();
  }
  for (const ip of [home, ada, sub, thesis, figure]) m.rele(ip);
  m.unmount();
  // The same disk without its header.
  const damaged = readFileSync(image);
  damaged.fill(0, 0, 16384);
  writeFileSync(path.join(dir, "damaged.img"), damaged);
});

describe("examples", () => {
  it("are all found", () => expect(examples.length).toBe(6));

  it.each(examples)("$title", async ({ code }) => {
    const want = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((m) => m[1]);
    const printed: string[] = [];
    const body = code
      .replaceAll(/^import (\{.*\}) from "(.*)";$/gm, 'const $1 = load("$2");')
      .replaceAll(/(["`])(disk\.img|damaged\.img|new\.img|backup\.img|copy)(?=["`/])/g, (_, quote: string, name: string) => `${quote}${dir}/${name}`);
    const run = new Function("load", "console", `return (async () => {${body}})();`) as (load: (name: string) => unknown, out: unknown) => Promise<void>;
    await run((name) => modules[name] ?? require(name), { log: (x: unknown) => printed.push(String(x)) });
    expect(printed).toEqual(want);
  });

  it("the folder that was copied out is what the disk has", () => {
    expect(readFileSync(path.join(dir, "copy/thesis.tex"), "utf8")).toBe("Chapter 1. All of it is different now.");
    expect(readFileSync(path.join(dir, "copy/figures/one")).equals(Buffer.alloc(100_000, 7))).toBe(true);
  });
});
