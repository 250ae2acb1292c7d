// SPDX-License-Identifier: BSD-3-Clause
/** Whole kernels on the simulated platform: small programs on the real processor, page tables, dispatcher. */
import { SimPlatform } from "@vkernel/hostkernel";
import { describe, expect, it } from "vitest";
import { bootKernel, type RunResult, type VirtualKernel } from "../../src/boot.ts";
import type { VkMachine } from "../../src/platform/machine.ts";
import { IoMiss } from "../../src/sys/wait.ts";
import { FileData } from "../../src/vfs/tmpfs/data.ts";
import { TmpfsMount, type TmpfsNode } from "../../src/vfs/tmpfs/tmpfs.ts";
import { VREG, vrele, type Vnode } from "../../src/vfs/vnode.ts";
import { BASE, elf } from "../kern/elf-image.ts";
import { Asm, EAX, EBX, ECX, EDI, EDX, ESI } from "./asm.ts";

const SYS = {
  exit: 1,
  fork: 2,
  write: 4,
  waitpid: 7,
  kill: 37,
  mmap: 90,
  sched_yield: 158,
  nanosleep: 162,
  sigaction: 174,
};
/** Zeroed data of each program. */
const DATA = 0x0900_0000;
const MiB = 1024 * 1024;

interface World {
  vk: VirtualKernel;
  platform: SimPlatform;
  log: string[];
  result: RunResult;
}

/** Boots a kernel whose only file and first program is `program`, and runs it to the end. */
async function run(
  program: Asm,
  prepare: (node: TmpfsNode, machine: VkMachine) => void = () => {},
  options: { stackFlags?: number } = {},
): Promise<World> {
  const platform = new SimPlatform();
  const log: string[] = [];
  const image = elf({
    entry: BASE + 0x100,
    segments: [
      { type: 1, offset: 0, vaddr: BASE, filesz: 0x2000, memsz: 0x2000, flags: 5 },
      { type: 1, offset: 0, vaddr: DATA, filesz: 0, memsz: 0x4000, flags: 6 },
      // PT_GNU_STACK
      { type: 0x6474_e551, flags: options.stackFlags ?? 6 },
    ],
    contents: [{ at: 0x100, bytes: program.code() }],
    size: 0x2000,
  });
  const vk = await bootKernel({
    platform,
    ramBytes: 32 * MiB,
    root: (ctx) => {
      const mount = new TmpfsMount("root", 0, { maxBytes: 16 * MiB, now: ctx.now });
      const root: Vnode = mount.root();
      const node = root.create("program", { type: VREG, mode: 0o755, uid: 0, gid: 0 }) as TmpfsNode;
      node.write(0, image, 0, image.length);
      prepare(node, ctx.machine);
      vrele(node);
      vrele(root);
      return mount;
    },
    mounts: [],
    first: { path: "/program", argv: ["/program"], env: [], stdio: "none" },
    log: (line) => log.push(line),
  });
  const result = await vk.run();
  return { vk, platform, log, result };
}

describe("programs on the machine", () => {
  it("exit status, and every page back at the end (I-PAGES)", async () => {
    const { vk, result } = await run(new Asm().sys(SYS.exit, 42));
    expect(result).toMatchObject({ status: 42, signal: 0, how: "exit" });
    expect(vk.kernel.vm.freePages()).toBe(vk.kernel.vm.totalPages);
    expect(vk.machine.host.spaceCount).toBe(0);
  });

  it("a store to address 0 is SIGSEGV, division by zero SIGFPE, an undefined instruction SIGILL, int3 SIGTRAP", async () => {
    const ends = async (program: Asm): Promise<number> => (await run(program)).result.signal;
    expect(await ends(new Asm().store(0, EAX))).toBe(11);
    expect(await ends(new Asm().store(0xffff_f000, EAX))).toBe(11);
    expect(await ends(new Asm().store(BASE, EAX))).toBe(11);
    expect(await ends(new Asm().mov(EAX, 0).raw(0xf7, 0xf0))).toBe(8);
    expect(await ends(new Asm().raw(0x0f, 0x0b))).toBe(4);
    expect(await ends(new Asm().raw(0xcc))).toBe(5);
    expect(await ends(new Asm().raw(0xf4))).toBe(11);
  });

  it("a jump into data is SIGSEGV unless the image asks for an executable stack: then readable means executable", async () => {
    // Stores `exit(33)` as code at DATA and jumps there.
    const program = (): Asm => {
      const asm = new Asm();
      const code = new Asm().sys(SYS.exit, 33).bytes;
      for (let i = 0; i < code.length; i += 4) {
        asm
          .mov(EAX, code[i]! | (code[i + 1]! << 8) | (code[i + 2]! << 16) | (code[i + 3]! << 24))
          .store(DATA + i, EAX);
      }
      return asm.mov(EAX, DATA).raw(0xff, 0xe0);
    };
    expect((await run(program(), undefined, { stackFlags: 7 })).result).toMatchObject({
      status: 33,
      signal: 0,
    });
    expect((await run(program(), undefined, { stackFlags: 6 })).result.signal).toBe(11);
  });

  it("copy on write: parent and child see their own stores only", async () => {
    const { result } = await run(
      new Asm()
        .mov(EAX, 5)
        .store(DATA, EAX)
        .sys(SYS.fork)
        .ifZero("child")
        .copy(EBX, EAX)
        .mov(ECX, DATA + 8)
        .mov(EDX, 0)
        .sys(SYS.waitpid)
        // The child's status (its sum) << 8, plus our own word, which must still be 5.
        .load(EBX, DATA + 8)
        .raw(0xc1, 0xeb, 8)
        .raw(0x03, 0x1d)
        .word(DATA)
        .sys(SYS.exit, undefined)
        .label("child")
        .raw(0x83, 0x05)
        .word(DATA)
        .raw(7)
        .load(EBX, DATA)
        .sys(SYS.exit, undefined),
    );
    expect(result.status).toBe(12 + 5);
  });

  it("x87 and SSE registers belong to their process across switches (FP2)", async () => {
    const { result, vk } = await run(
      new Asm()
        .sys(SYS.fork)
        .copy(ESI, EAX)
        .store(DATA, ESI)
        .raw(0xdb, 0x05)
        .word(DATA) // fild dword [DATA]
        .raw(0x66, 0x0f, 0x6e, 0xc6) // movd xmm0, esi
        .mov(EDI, 50)
        .label("again")
        .sys(SYS.sched_yield)
        .raw(0x4f)
        .jcc(5, "again")
        .raw(0xdb, 0x1d)
        .word(DATA + 4) // fistp dword [DATA+4]
        .raw(0x66, 0x0f, 0x7e, 0xc3) // movd ebx, xmm0
        .raw(0x29, 0xf3) // sub ebx, esi
        .load(ECX, DATA + 4)
        .raw(0x29, 0xf1, 0x09, 0xcb) // ecx -= esi; ebx |= ecx
        .raw(0x85, 0xf6)
        .jcc(4, "end") // the child ends with 0 if both were its own
        .raw(0x53) // push ebx
        .copy(EBX, ESI)
        .mov(ECX, DATA + 8)
        .mov(EDX, 0)
        .sys(SYS.waitpid)
        .raw(0x5b)
        .raw(0x0b, 0x1d)
        .word(DATA + 8) // pop ebx; or ebx, [status]
        .label("end")
        .sys(SYS.exit, undefined),
    );
    expect(result.status).toBe(0);
    expect(vk.stats().contextSwitches).toBeGreaterThan(50);
  });

  it("a program that never makes a call is interrupted for others (I-STOP)", async () => {
    const { result } = await run(
      new Asm()
        .sys(SYS.fork)
        .ifZero("spin")
        .copy(ESI, EAX)
        .mov(EAX, 50_000_000)
        .store(DATA + 4, EAX)
        .sys(SYS.nanosleep, DATA, 0)
        .copy(EBX, ESI)
        .mov(ECX, 9)
        .sys(SYS.kill)
        .copy(EBX, ESI)
        .mov(ECX, DATA + 8)
        .mov(EDX, 0)
        .sys(SYS.waitpid)
        .load(EBX, DATA + 8)
        .sys(SYS.exit, undefined)
        .label("spin")
        .jmp("spin"),
    );
    expect(result.status).toBe(9);
  });

  it("touching more than all memory ends the largest process, logged; the others live (F3)", async () => {
    const { result, log, vk } = await run(
      new Asm()
        .sys(SYS.fork)
        .ifZero("hog")
        .copy(EBX, EAX)
        .mov(ECX, DATA + 8)
        .mov(EDX, 0)
        .sys(SYS.waitpid)
        .load(EBX, DATA + 8)
        .sys(SYS.exit, undefined)
        .label("hog")
        // old_mmap: {addr, len, prot, flags, fd, offset}
        .mov(EAX, 0x2000_0000)
        .store(DATA, EAX)
        .mov(EAX, 64 * MiB)
        .store(DATA + 4, EAX)
        .mov(EAX, 3)
        .store(DATA + 8, EAX)
        .mov(EAX, 0x32)
        .store(DATA + 12, EAX)
        .mov(EAX, -1)
        .store(DATA + 16, EAX)
        .sys(SYS.mmap, DATA)
        .label("touch")
        .raw(0x89, 0x00)
        .raw(0x05)
        .word(4096)
        .jmp("touch"),
    );
    expect(result.status).toBe(9);
    expect(log.filter((line) => line.includes("out of memory"))).toHaveLength(1);
    expect(vk.kernel.vm.freePages()).toBe(vk.kernel.vm.totalPages);
  });

  it("code that rewrites itself runs as rewritten (C7)", async () => {
    // Text is mapped read-only, so the loop runs on the stack page: mov eax, n; inc byte [imm]; loop
    const { result } = await run(
      new Asm()
        .mov(EAX, DATA)
        .store(DATA, EAX)
        .mov(ESI, BASE + 0x1000 + 0x800)
        .mov(EDI, DATA + 0x100)
        .mov(ECX, 16)
        .raw(0xf3, 0xa4) // rep movsb
        .mov(ECX, 100)
        .mov(EDX, DATA + 0x100)
        .raw(0xff, 0xe2),
      (node) => {
        // b8 imm32: mov eax,n / fe 05: inc byte [code+1] / e2: loop to start / then exit(eax) at its copy's end
        const at = DATA + 0x100;
        const code = new Asm()
          .mov(EAX, 0)
          .raw(0xfe, 0x05)
          .word(at + 1)
          .raw(0xe2, 0xf3)
          .raw(0x89, 0xc3);
        const tail = new Asm().mov(EAX, 1).raw(0xcd, 0x80);
        const all = Uint8Array.from([...code.code(), ...tail.code()]);
        node.write(0x1800, all, 0, all.length);
        // rep movsb above copies 16 bytes; patch the count to the real length.
        const text = new Uint8Array(0x200);
        node.read(0x100, text, 0, 0x200);
        const count = text.findIndex((byte, i) => byte === 0xb9 && text[i + 1] === 16);
        node.write(0x100 + count + 1, Uint8Array.of(all.length), 0, 1);
      },
      { stackFlags: 7 },
    );
    expect(result.status).toBe(99);
  });

  it("a page that has to be read from outside makes the process wait, and nothing else (IoMiss)", async () => {
    let misses = 0;
    const { result } = await run(
      new Asm().load(EBX, BASE + 0x1ff8).sys(SYS.exit, undefined),
      (node, machine) => {
        const bytes = new Uint8Array(0x2000);
        node.read(0, bytes, 0, 0x2000);
        bytes[0x1ff8] = 77;
        const present = new Set<number>();
        class Miss extends IoMiss {
          block = 0;
          load(done: (failure: unknown) => void): void {
            misses++;
            const { block } = this;
            const arrive = (): void => {
              present.add(block);
              done(null);
            };
            // The disk takes a millisecond and answers by an interrupt.
            (machine.platform as SimPlatform).after(1e6, () => machine.post(arrive));
          }
        }
        const miss = new Miss();
        node.data = new FileData(
          node.mount.budget,
          (offset, buf, bufOff, len) => {
            for (let block = offset >> 12; block <= (offset + len - 1) >> 12; block++) {
              miss.block = block;
              if (!present.has(block)) throw miss;
            }
            buf.set(bytes.subarray(offset, offset + len), bufOff);
            return Math.min(len, bytes.length - offset);
          },
          0x2000,
        );
      },
    );
    expect(result.status).toBe(77);
    expect(misses).toBeGreaterThanOrEqual(2);
  });
});
