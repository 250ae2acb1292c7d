// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from "vitest";
import { disassemble } from "./disassemble.ts";

test.each([
  ["01 c8", "add eax, ecx"],
  ["66 83 c3 ff", "add bx, 0xffff"],
  ["f0 0f b1 0d 00 10 00 00", "lock cmpxchg dword [0x1000], ecx"],
  ["8b 44 8d fc", "mov eax, dword [ebp+ecx*4-0x4]"],
  ["65 a1 14 00 00 00", "mov eax, dword gs:[0x14]"],
  ["67 8b 47 02", "mov eax, dword [bx+0x2]"],
  ["0f b6 c4", "movzx eax, ah"],
  ["f3 66 a5", "rep movsw"],
  ["eb fe", "jmp 0x1000"],
  ["0f 85 fa 00 00 00", "jne 0x1100"],
  ["ea 78 56 34 12 23 00", "jmp far 0x23:0x12345678"],
  ["c8 10 00 01", "enter 0x10, 0x1"],
  ["8f 44 24 04", "pop dword [esp+0x4]"],
  ["66 98", "cbw"],
  ["d1 e0", "shl eax, 1"],
  ["8e d8", "mov ds, ax"],
])("%s is %s", (code, text) => {
  const bytes = Uint8Array.from(code.split(" "), (b) => Number.parseInt(b, 16));
  expect(disassemble(bytes, 0x1000)).toEqual({ length: bytes.length, text });
});

test("16-bit code", () => {
  expect(disassemble(Uint8Array.of(0x66, 0xb8, 1, 0, 0, 0), 0, false).text).toBe("mov eax, 0x1");
  expect(disassemble(Uint8Array.of(0xb8, 1, 0), 0, false).text).toBe("mov ax, 0x1");
});

test("what the tables do not hold is data", () => {
  expect(disassemble(Uint8Array.of(0x0f, 0xff, 0xc0), 0)).toEqual({ length: 1, text: "db 0xf" });
  expect(disassemble(Uint8Array.of(0xf0, 0x90), 0)).toEqual({ length: 1, text: "db 0xf0" });
  expect(disassemble(Uint8Array.of(0x81, 0xc0), 0)).toEqual({ length: 1, text: "db 0x81" });
});
