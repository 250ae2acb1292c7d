// SPDX-License-Identifier: BSD-3-Clause
/** A system whose disk answers late, by an interrupt, boots and ends all the same; one whose disk fails at the end says so. */
import { expect, it } from "vitest";
import { SimPlatform } from "@vkernel/hostkernel";
import { bootKernel, isKernelPanic, type MountContext, TmpfsMount, UnwrittenError } from "../src/index.ts";
import { EIO } from "../src/sys/errno.ts";
import { IoMiss } from "../src/sys/wait.ts";

// A static i386 Linux program: write(1, "hello\n", 6), exit(7).
const HELLO = Uint8Array.from(atob(
  "f0VMRgEBAQMAAAAAAAAAAAIAAwABAAAAVIAECDQAAAAAAAAAAAAAADQAIAABAAAAAAAAAAEAAAAAAAAAAIAECACABAh8AAAAfAAAAAUAAAAA" +
  "EAAAuAQAAAC7AQAAALl2gAQIugYAAADNgLgBAAAAuwcAAADNgGhlbGxvCg==",
), (c) => c.charCodeAt(0));

/** A read that ends two events of the host later. */
class LateMiss extends IoMiss {
  private readonly ctx: MountContext;
  private readonly platform: SimPlatform;
  constructor(ctx: MountContext, platform: SimPlatform) {
    super();
    this.ctx = ctx;
    this.platform = platform;
  }
  override load(done: (failure: unknown) => void): void {
    this.platform.after(1e6, () => this.ctx.machine.post(() => this.platform.after(1e6, () => this.ctx.machine.post(() => done(null)))));
  }
}

/** Calls that write it back and unmount it miss twice before they are served. */
class LateFs extends TmpfsMount {
  readonly waits: Record<string, number> = {};
  private readonly ctx: MountContext;
  private readonly platform: SimPlatform;
  constructor(ctx: MountContext, platform: SimPlatform) {
    super("late", 0, { maxBytes: 1 << 20, now: ctx.now });
    this.ctx = ctx;
    this.platform = platform;
  }
  private late(what: string): void {
    const n = (this.waits[what] ?? 0) + 1;
    this.waits[what] = n;
    if (n % 3 !== 0) throw new LateMiss(this.ctx, this.platform);
  }
  override sync(): void {
    this.late("sync");
    super.sync();
  }
  override unmount(): void {
    this.late("unmount");
    super.unmount();
  }
}

it("waits for the disk while it mounts, syncs and unmounts", async () => {
  const platform = new SimPlatform();
  let fs: LateFs | null = null;
  let mounts = 0;
  const vk = await bootKernel({
    platform,
    ramBytes: 64 << 20,
    root: (ctx) => {
      if (++mounts < 3) throw new LateMiss(ctx, platform);
      fs = new LateFs(ctx, platform);
      const file = fs.root().create("hello", { type: 1, mode: 0o755, uid: 0, gid: 0 });
      file.write(0, HELLO, 0, HELLO.length);
      return fs;
    },
    first: { path: "/hello", argv: ["hello"], env: [], stdio: "streams" },
  });
  const { status } = await vk.run();
  expect([platform.terminal.output.text, status, mounts]).toEqual(["hello\n", 7, 3]);
  expect(fs!.waits).toEqual({ sync: 3, unmount: 3 });
});

it("starts further programs from a late disk while others run, sleep and are woken by the clock", async () => {
  const platform = new SimPlatform();
  const session = new SimPlatform();
  /** HELLO with another text: nanosleep for 10 ms, for ever (i386: 162). */
  const SLEEPER = HELLO.slice();
  SLEEPER.set([0x68, 0x80, 0x96, 0x98, 0, 0x6a, 0, 0x89, 0xe3, 0x31, 0xc9, 0xb8, 162, 0, 0, 0, 0xcd, 0x80, 0x83, 0xc4, 8, 0xeb, 0xe9], 0x54);
  let waits = 0;
  const vk = await bootKernel({
    platform,
    ramBytes: 64 << 20,
    root: (ctx) => {
      const fs = new TmpfsMount("late", 0, { maxBytes: 1 << 20, now: ctx.now });
      for (const [name, bytes] of [["sleeper", SLEEPER], ["hello", HELLO]] as const) {
        const file = fs.root().create(name, { type: 1, mode: 0o755, uid: 0, gid: 0 });
        file.write(0, bytes, 0, bytes.length);
        if (name === "sleeper") continue;
        const getattr = file.getattr.bind(file);
        file.getattr = () => {
          if (++waits % 3 !== 0) throw new LateMiss(ctx, platform);
          return getattr();
        };
      }
      return fs;
    },
    first: { path: "/sleeper", argv: ["sleeper"], env: [], stdio: "streams" },
  });
  const run = vk.run();
  platform.after(60e9, () => {
    throw new Error("the program has not ended in a minute");
  });
  const ended = vk.spawn({ path: "/hello", argv: ["hello"], env: [], terminal: session.terminal }).then((program) => program.ended);
  expect(await Promise.race([ended, run])).toMatchObject({ status: 7, signal: 0 });
  expect([session.terminal.output.text, waits >= 3]).toEqual(["hello\n", true]);
  vk.terminate();
  expect((await run).signal).toBeGreaterThan(0);
});

it("what cannot be written back at the end is named, and the rest is written back all the same", async () => {
  const platform = new SimPlatform();
  const ended: string[] = [];
  class Disk extends TmpfsMount {
    override sync(): void {
      if (this.from === "broken") throw EIO;
    }
    override unmount(): void {
      this.sync();
      ended.push(this.from);
    }
  }
  const disk = (name: string) => (ctx: MountContext): Disk => {
    const fs = new Disk(name, 0, { maxBytes: 1 << 20, now: ctx.now });
    fs.root().create("hello", { type: 1, mode: 0o755, uid: 0, gid: 0 }).write(0, HELLO, 0, HELLO.length);
    return fs;
  };
  const vk = await bootKernel({
    platform,
    ramBytes: 64 << 20,
    root: disk("root"),
    mounts: [{ on: "/broken", create: true, mount: disk("broken") }, { on: "/sound", create: true, mount: disk("sound") }],
    first: { path: "/hello", argv: ["hello"], env: [], stdio: "streams" },
  });
  const failure = await vk.run().catch((e: unknown) => e);
  expect(failure).toBeInstanceOf(UnwrittenError);
  expect((failure as UnwrittenError).mounts).toEqual(["broken"]);
  expect([platform.terminal.output.text, ended]).toEqual(["hello\n", ["sound", "root"]]);
});

it("a fault of the kernel while it starts a further program is the end of the machine", async () => {
  const platform = new SimPlatform();
  const session = new SimPlatform();
  const vk = await bootKernel({
    platform,
    ramBytes: 64 << 20,
    root: (ctx) => {
      const fs = new TmpfsMount("faulty", 0, { maxBytes: 1 << 20, now: ctx.now });
      fs.root().create("broken", { type: 1, mode: 0o755, uid: 0, gid: 0 }).getattr = () => {
        throw new TypeError("a fault of the kernel");
      };
      return fs;
    },
  });
  const run = vk.run().catch((e: unknown) => e);
  const spawned = await vk.spawn({ path: "/broken", argv: ["broken"], env: [], terminal: session.terminal }).catch((e: unknown) => e);
  expect(isKernelPanic(spawned)).toBe(true);
  expect(await run).toBe(spawned);
});
