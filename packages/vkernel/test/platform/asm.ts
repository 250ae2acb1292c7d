// SPDX-License-Identifier: BSD-3-Clause
/** Just enough of an assembler to write test programs: registers, system calls, labels. */

export const EAX = 0,
  ECX = 1,
  EDX = 2,
  EBX = 3,
  ESI = 6,
  EDI = 7;

export class Asm {
  readonly bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: { at: number; label: string }[] = [];

  raw(...bytes: number[]): this {
    this.bytes.push(...bytes);
    return this;
  }
  word(n: number): this {
    return this.raw(n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >> 24) & 0xff);
  }
  /** mov reg, imm32 */
  mov(reg: number, n: number): this {
    return this.raw(0xb8 + reg).word(n);
  }
  /** mov to, from */
  copy(to: number, from: number): this {
    return this.raw(0x89, 0xc0 | (from << 3) | to);
  }
  /** mov reg, [va] */
  load(reg: number, va: number): this {
    return this.raw(0x8b, 0x05 | (reg << 3)).word(va);
  }
  /** mov [va], reg */
  store(va: number, reg: number): this {
    return this.raw(0x89, 0x05 | (reg << 3)).word(va);
  }
  /** A Linux system call with constant arguments; undefined leaves the register as it is. */
  sys(nr: number, ...args: (number | undefined)[]): this {
    const registers = [EBX, ECX, EDX, ESI, EDI];
    args.forEach((arg, i) => {
      if (arg !== undefined) this.mov(registers[i]!, arg);
    });
    return this.mov(EAX, nr).raw(0xcd, 0x80);
  }
  label(name: string): this {
    this.#labels.set(name, this.bytes.length);
    return this;
  }
  jmp(label: string): this {
    return this.raw(0xe9).#target(label);
  }
  /** Jumps by condition code: 4 equal, 5 not equal, 2 below. */
  jcc(condition: number, label: string): this {
    return this.raw(0x0f, 0x80 + condition).#target(label);
  }
  #target(label: string): this {
    this.#fixups.push({ at: this.bytes.length, label });
    return this.word(0);
  }
  /** test eax, eax; jz label */
  ifZero(label: string): this {
    return this.raw(0x85, 0xc0).jcc(4, label);
  }
  code(): Uint8Array {
    const code = Uint8Array.from(this.bytes);
    const view = new DataView(code.buffer);
    for (const { at, label } of this.#fixups) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`no label ${label}`);
      view.setInt32(at, target - (at + 4), true);
    }
    return code;
  }
}
