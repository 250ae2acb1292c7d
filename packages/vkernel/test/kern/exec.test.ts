// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { elfBrand, parseElf } from "../../src/kern/imgact-elf.ts";
import { parseScript } from "../../src/kern/imgact-shell.ts";
import { TF_EBX, TF_EDX, TF_EIP, TF_ESP } from "../../src/sys/frame.ts";
import { MNT_NOEXEC, MNT_NOSUID } from "../../src/vfs/mount.ts";
import { VREG, type Vnode } from "../../src/vfs/vnode.ts";
import { BASE, elf, type ElfOptions, note, TEXT_SEGMENT } from "./elf-image.ts";
import { DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const ENOENT = -2, E2BIG = -7, ENOEXEC = -8, ENOMEM = -12, EACCES = -13, EFAULT = -14, ETXTBSY = -26, ENAMETOOLONG = -36, ELOOP = -40, ELIBBAD = -80;
const A = DATA;

function addFile(bench: UserBench, name: string, bytes: Uint8Array | string, mode = 0o755): Vnode {
  const root = bench.k.mounts.root.vp!;
  const vp = root.create(name, { type: VREG, mode, uid: 0, gid: 0 });
  const data = typeof bytes === "string" ? Uint8Array.from(bytes, (c) => c.charCodeAt(0)) : bytes;
  for (let done = 0; done < data.length; ) done += vp.write(done, data, done, data.length - done);
  return vp;
}

/** execve with argv = [path, "arg"] and one variable. */
function exec(u: User, path: string, argv: readonly string[] = [path, "arg"]): ReturnType<typeof sys> {
  let at = A + 0x4000;
  const strings = [...argv, "A=B"].map((s) => {
    u.text(at, s);
    at += s.length + 1;
    return at - s.length - 1;
  });
  const env = strings.pop()!;
  u.words(A + 0x1000, ...strings, 0);
  u.words(A + 0x2000, env, 0);
  u.text(A, path);
  return sys("execve", A, A + 0x1000, A + 0x2000);
}

async function withFiles(files: Record<string, Uint8Array | string>, program: Program): Promise<UserBench> {
  const bench = new UserBench();
  for (const [name, bytes] of Object.entries(files)) addFile(bench, name, bytes);
  await bench.run(bench.start(program));
  return bench;
}

async function execResult(bytes: Uint8Array | string, more: Record<string, Uint8Array | string> = {}): Promise<{ r: number; log: string }> {
  let r = NaN;
  const bench = await withFiles({ prog: bytes, ...more }, function* (u) {
    r = yield exec(u, "/prog");
  });
  return { r, log: bench.log.join("\n") };
}

describe("images that are refused (E1–E11)", () => {
  const bad: [string, Uint8Array | string, number, RegExp][] = [
    ["no bytes", "", ENOEXEC, /^$/],
    ["one byte", "\x7f", ENOEXEC, /neither an ELF/],
    ["51 bytes of header", elf().subarray(0, 51), ENOEXEC, /truncated ELF header/],
    ["header only", elf().subarray(0, 52), ENOEXEC, /beyond the end/],
    ["64-bit", elf({ class: 2, machine: 62 }), ENOEXEC, /64-bit ELF \(x86-64\)/],
    ["big-endian", elf({ data: 2 }), ENOEXEC, /big-endian/],
    ["another machine", elf({ machine: 40 }), ENOEXEC, /ELF for ARM/],
    ["relocatable", elf({ type: 1 }), ENOEXEC, /type 1/],
    ["core", elf({ type: 4 }), ENOEXEC, /type 4/],
    ["no program headers", elf({ phnum: 0 }), ENOEXEC, /0 program headers/],
    ["65535 program headers", elf({ phnum: 65535 }), ENOEXEC, /65535 program headers/],
    ["header size 31", elf({ phentsize: 31 }), ENOEXEC, /header size 31/],
    ["headers beyond the end", elf({ phoff: 0xffff_fffc }), ENOEXEC, /beyond the end/],
    ["filesz > memsz", elf({ segments: [{ ...TEXT_SEGMENT, memsz: 0x800 }] }), ENOEXEC, /larger in the file/],
    ["segment beyond the file", elf({ segments: [{ ...TEXT_SEGMENT, filesz: 0x2000, memsz: 0x2000 }] }), ENOEXEC, /truncated/],
    ["offset wraps", elf({ segments: [{ ...TEXT_SEGMENT, offset: 0xffff_f000 }] }), ENOEXEC, /truncated/],
    ["in kernel range", elf({ segments: [{ ...TEXT_SEGMENT, vaddr: 0xc000_0000 }] }), ENOMEM, /outside of user memory/],
    ["memsz wraps", elf({ segments: [{ ...TEXT_SEGMENT, memsz: 0xffff_ffff }] }), ENOMEM, /outside of user memory/],
    ["not congruent", elf({ segments: [{ ...TEXT_SEGMENT, vaddr: BASE + 0x10 }] }), ENOEXEC, /do not fit together/],
    ["nothing to load", elf({ segments: [{ type: 4 }] }), ENOEXEC, /nothing to load/],
    ["unknown OSABI", elf({ osabi: 6 }), ENOEXEC, /type "6" not known/],
    ["empty interpreter", elf({ segments: [TEXT_SEGMENT, { type: 3, offset: 0x200, filesz: 0 }] }), ENOEXEC, /interpreter/],
    ["interpreter without NUL", elf({ segments: [TEXT_SEGMENT, { type: 3, offset: 0x200, filesz: 4 }], contents: [{ at: 0x200, bytes: "/lib" }] }), ENOEXEC, /not terminated/],
    ["missing interpreter", elf({ segments: [TEXT_SEGMENT, { type: 3, offset: 0x200, filesz: 9 }], contents: [{ at: 0x200, bytes: "/lib/ld1\0" }] }), ENOENT, /interpreter \/lib\/ld1 does not exist/],
    ["directory as interpreter", elf({ segments: [TEXT_SEGMENT, { type: 3, offset: 0x200, filesz: 2 }], contents: [{ at: 0x200, bytes: "/\0" }] }), EACCES, /^$/],
    ["text without #!", "echo hello\n", ENOEXEC, /neither an ELF/],
    ["empty #! line", "#!   \n", ENOEXEC, /^$/],
    ["script of a missing program", "#!/no/such\n", ENOENT, /interpreter \/no\/such does not exist/],
    ["script that names itself", "#!/prog\n", ELOOP, /^$/],
    ["#! without an end", `#!${"x".repeat(5000)}`, ENAMETOOLONG, /^$/],
  ];
  it.each(bad)("%s", async (_what, bytes, errno, why) => {
    const { r, log } = await execResult(bytes);
    expect(r).toBe(errno);
    expect(log).toMatch(why);
  });

  it("an interpreter that is no ELF file is ELIBBAD", async () => {
    const { r, log } = await execResult(
      elf({ segments: [TEXT_SEGMENT, { type: 3, offset: 0x200, filesz: 4 }], contents: [{ at: 0x200, bytes: "/ld\0" }] }),
      { ld: "garbage that is long enough" },
    );
    expect(r).toBe(ELIBBAD);
    expect(log).toMatch(/interpreter \/ld: not an ELF file/);
  });

  it("X1: a failed exec leaves the caller's memory and handlers alone", async () => {
    await withFiles({ prog: elf({ machine: 40 }) }, function* (u) {
      yield u.sigaction(10, 1);
      const vm = u.proc.vmspace;
      expect(yield exec(u, "/prog")).toBe(ENOEXEC);
      expect(u.proc.vmspace).toBe(vm);
      expect(u.read(A, 5)).toBe("/prog");
      expect(u.proc.sigacts.handler[30]).toBe(1);
    });
  });
});

describe("files that may not be executed", () => {
  it.each([
    ["missing", "/none", ENOENT],
    ["directory", "/", EACCES],
    ["no execute bit", "/plain", EACCES],
    ["through a file", "/prog/x", -20],
    ["empty path", "", ENOENT],
  ])("%s", async (_what, path, errno) => {
    const bench = new UserBench();
    addFile(bench, "prog", elf());
    addFile(bench, "plain", elf(), 0o644);
    await bench.run(bench.start(function* (u) {
      expect(yield exec(u, path)).toBe(errno);
    }));
  });

  it("X4: open for writing is ETXTBSY, both ways", async () => {
    await withFiles({ prog: elf() }, function* (u) {
      u.text(A, "/prog");
      const fd = yield sys("open", A, 1, 0);
      expect(fd).toBe(0);
      expect(yield exec(u, "/prog")).toBe(ETXTBSY);
      yield sys("close", fd);
      expect(yield exec(u, "/prog")).toBe(0);
    });
  });

  it("a mount without exec is EACCES", async () => {
    const bench = new UserBench();
    addFile(bench, "prog", elf());
    bench.k.mounts.list[0]!.flags |= MNT_NOEXEC;
    await bench.run(bench.start(function* (u) {
      expect(yield exec(u, "/prog")).toBe(EACCES);
    }));
  });

  it.each([
    ["argv at a wild address", [A, 16, 0], EFAULT],
    ["a wild pointer in argv", [A, A + 0x3000, 0], EFAULT],
    ["path at a wild address", [16, A + 0x1000, 0], EFAULT],
  ])("%s", async (_what, args, errno) => {
    await withFiles({ prog: elf() }, function* (u) {
      u.text(A, "/prog");
      u.words(A + 0x1000, A, 0);
      u.words(A + 0x3000, 0x10, 0);
      expect(yield sys("execve", ...args)).toBe(errno);
    });
  });

  it("E14: too many arguments are E2BIG, a single one that is too long as well", async () => {
    await withFiles({ prog: elf() }, function* (u) {
      u.text(A, "/prog");
      const forty = u.text(A + 0x100, "x".repeat(40));
      for (let i = 0; i < 0x3_0000; i += 4) u.setWord(DATA + 0x1_0000 + i, forty);
      expect(yield sys("execve", A, DATA + 0x1_0000, 0)).toBe(E2BIG);
      const long = new Uint8Array(0x2_1000).fill(0x61);
      for (let at = 0; at < long.length; at += 4) u.setWord(DATA + 0x5_0000 + at, 0x61616161);
      u.words(A + 0x1000, DATA + 0x5_0000, 0);
      expect(yield sys("execve", A, A + 0x1000, 0)).toBe(E2BIG);
    });
  });
});

describe("a new image", () => {
  const data = { type: 1, offset: 0x800, vaddr: BASE + 0x1800, filesz: 0x100, memsz: 0x3000, flags: 6 };
  const prog = elf({
    segments: [TEXT_SEGMENT, data],
    contents: [{ at: 0x100, bytes: "TEXT" }, { at: 0x800, bytes: "DATA" }, { at: 0x900, bytes: "behind" }],
  });

  it("maps text and data, clears what lies behind the data, and starts at the entry with clean registers", async () => {
    await withFiles({ prog }, function* (u) {
      expect(yield exec(u, "/prog")).toBe(0);
      expect(u.read(BASE + 0x100, 4)).toBe("TEXT");
      expect(u.read(BASE + 0x1800, 4)).toBe("DATA");
      expect(u.read(BASE + 0x1900, 6)).toBe("\0\0\0\0\0\0");
      expect(u.word(BASE + 0x47fc)).toBe(0);
      expect(u.proc.vmspace!.brkBase).toBe(BASE + 0x5000);
      const { tf } = u.lp;
      expect([tf[TF_EIP], tf[TF_EBX], tf[TF_EDX]]).toEqual([BASE + 0x100, 0, 0]);
      expect(u.proc.comm).toBe("prog");
    });
  });

  it("the stack holds argc, argv, envp and auxv as a Linux C library reads them", async () => {
    await withFiles({ prog }, function* (u) {
      yield exec(u, "/prog", ["name", "", "two words"]);
      const sp = u.lp.tf[TF_ESP]! >>> 0;
      expect(sp % 16).toBe(0);
      expect(u.word(sp)).toBe(3);
      const str = (at: number): string => u.str(u.word(at));
      expect([str(sp + 4), str(sp + 8), str(sp + 12), u.word(sp + 16)]).toEqual(["name", "", "two words", 0]);
      expect([str(sp + 20), u.word(sp + 24)]).toEqual(["A=B", 0]);
      const auxv = new Map<number, number>();
      for (let at = sp + 28; u.word(at) !== 0; at += 8) auxv.set(u.word(at), u.word(at + 4) >>> 0);
      expect(auxv.get(3)).toBe(BASE + 52);
      expect([auxv.get(4), auxv.get(5), auxv.get(6), auxv.get(7), auxv.get(9)]).toEqual([32, 2, 4096, 0, BASE + 0x100]);
      expect([auxv.get(11), auxv.get(14), auxv.get(17), auxv.get(23)]).toEqual([0, 0, 100, 0]);
      expect(auxv.has(32)).toBe(false);
      expect(u.read(auxv.get(31)!, 6)).toBe("/prog\0");
      expect(u.read(auxv.get(15)!, 5)).toBe("i686\0");
      expect(auxv.has(25)).toBe(true);
    });
  });

  it("closes close-on-exec descriptors, resets handlers, keeps ignored signals and the mask", async () => {
    await withFiles({ prog }, function* (u) {
      yield sys("pipe2", A, 0o2000000);
      yield sys("pipe2", A + 8, 0);
      yield u.sigaction(10, u.handler(function* () {}));
      yield u.sigaction(12, 1);
      u.words(A + 16, 1 << 14, 0);
      yield sys("rt_sigprocmask", 2, A + 16, 0, 8);
      yield exec(u, "/prog");
      expect(u.proc.fd!.files.map((f) => f !== null)).toEqual([false, false, true, true]);
      expect([u.proc.sigacts.handler[30], u.proc.sigacts.handler[31]]).toEqual([0, 1]);
      expect(u.lp.sigmask[0]).toBe(1 << 14);
    });
  });

  it("a script runs its interpreter with one argument, the script's path and the rest", async () => {
    await withFiles({ prog, script: "#! /prog -x  y \n" }, function* (u) {
      expect(yield exec(u, "/script", ["s", "1"])).toBe(0);
      expect(u.proc.args).toEqual(["/prog", "-x  y", "/script", "1"]);
    });
  });

  it("set-id bits change the effective id, unless the mount forbids it", async () => {
    for (const nosuid of [false, true]) {
      const bench = new UserBench();
      const vp = addFile(bench, "prog", prog, 0o4755);
      vp.setattr({ uid: 0 });
      if (nosuid) bench.k.mounts.list[0]!.flags |= MNT_NOSUID;
      await bench.run(bench.start(function* (u) {
        yield sys("setresuid32", 1000, 1000, 1000);
        expect(yield exec(u, "/prog")).toBe(0);
        expect(yield sys("geteuid32")).toBe(nosuid ? 1000 : 0);
        expect(yield sys("getuid32")).toBe(1000);
      }));
    }
  });

  it("a vfork parent gets its memory back when the child executes", async () => {
    await withFiles({ prog }, function* (u) {
      u.child(function* (c) {
        c.setWord(A + 0x8000, 1);
        expect(yield exec(c, "/prog")).toBe(0);
        yield sys("exit", 4);
      });
      const pid = yield sys("vfork");
      expect(u.word(A + 0x8000)).toBe(1);
      yield sys("wait4", pid, A, 0, 0);
      expect(u.word(A)).toBe(4 << 8);
    });
  });

  it("X2: the other threads end first, and the caller becomes the first thread", async () => {
    await withFiles({ prog }, function* (u) {
      u.child(function* (t) {
        expect(yield exec(t, "/prog")).toBe(0);
        expect([yield sys("getpid"), yield sys("gettid"), t.proc.lwps.size]).toEqual([2, 2, 1]);
        yield sys("exit_group", 0);
      });
      yield sys("clone", 0x10f00, DATA + 0x9000, 0, 0, 0);
      for (;;) yield sys("pause");
    });
  });

  it("I-PAGES: fork, exec and exit leave no page behind", async () => {
    const bench = new UserBench();
    addFile(bench, "prog", prog);
    let before = 0;
    await bench.run(bench.start(function* (u) {
      for (let round = 0; round < 20; round++) {
        u.child(function* (c) {
          yield exec(c, "/prog");
          yield sys("exit", 0);
        });
        yield sys("fork");
        yield sys("wait4", -1, 0, 0, 0);
        if (round === 1) before = u.bench.k.vm.freePages();
      }
      expect(u.bench.k.vm.freePages()).toBe(before);
    }));
  });
});

describe("brands (L3, E12)", () => {
  const brand = (o: ElfOptions, fallback = -1): string | null => {
    const bytes = elf(o);
    return elfBrand(parseElf(bytes, bytes.length, (off, len) => bytes.subarray(off, off + len)), fallback);
  };
  const withNote = (name: string, ...desc: number[]): ElfOptions => ({
    osabi: 0,
    segments: [TEXT_SEGMENT, { type: 4, offset: 0x300, filesz: note(name, ...desc).length }],
    contents: [{ at: 0x300, bytes: note(name, ...desc) }],
  });
  const withInterp = (path: string): ElfOptions => ({
    osabi: 0, segments: [TEXT_SEGMENT, { type: 3, offset: 0x300, filesz: path.length + 1 }], contents: [{ at: 0x300, bytes: path }],
  });
  it.each([
    ["OSABI 3", { osabi: 3 }, "linux"],
    ["OSABI 9", { osabi: 9 }, "dragonfly"],
    ["DragonFly note", withNote("DragonFly", 200000), "dragonfly"],
    ["FreeBSD note", withNote("FreeBSD", 410000), "dragonfly"],
    ["GNU note", withNote("GNU", 0, 2, 6, 32), "linux"],
    ["GNU note of the Hurd", withNote("GNU", 1, 0, 0, 0), null],
    ["interpreter ld-linux.so.2", withInterp("/lib/ld-linux.so.2"), "linux"],
    ["interpreter of musl", withInterp("/lib/ld-musl-i386.so.1"), "linux"],
    ["interpreter ld-elf.so.2", withInterp("/usr/libexec/ld-elf.so.2"), "dragonfly"],
    ["nothing", { osabi: 0 }, null],
    ["OSABI wins over the note", { ...withNote("DragonFly", 200000), osabi: 3 }, "linux"],
    ["a note with sizes out of range is ignored", { osabi: 0, segments: [TEXT_SEGMENT, { type: 4, offset: 0x300, filesz: 32 }], contents: [{ at: 0x300, bytes: "\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0" }] }, null],
  ] as const)("%s", (_what, o, want) => {
    expect(brand(o)).toBe(want);
  });
  it("the fallback decides about unbranded files", () => {
    expect([brand({ osabi: 0 }, 3), brand({ osabi: 0 }, 0), brand({ osabi: 0 }, -1)]).toEqual(["linux", "dragonfly", null]);
  });
});

describe("#! lines", () => {
  const parse = (s: string, one: boolean): string[] | null => parseScript(Uint8Array.from(s, (c) => c.charCodeAt(0)), one);
  it.each([
    ["#!/bin/sh\n", ["/bin/sh"], ["/bin/sh"]],
    ["#!/bin/sh", ["/bin/sh"], ["/bin/sh"]],
    ["#! \t/bin/sh -e -u\t\n", ["/bin/sh", "-e", "-u"], ["/bin/sh", "-e -u"]],
    ["#!/bin/sh #c\n", ["/bin/sh"], ["/bin/sh", "#c"]],
    ["#!/bin/sh\0junk\n", ["/bin/sh"], ["/bin/sh"]],
    ["echo", null, null],
  ])("%j", (line, native, linux) => {
    expect(parse(line, false)).toEqual(native);
    expect(parse(line, true)).toEqual(linux);
  });
});
