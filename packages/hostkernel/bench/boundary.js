// SPDX-License-Identifier: BSD-3-Clause
// What crossing between guest and virtual kernel costs: null system call, page table walk, kernel-resolved page fault.
// Run after a build: node packages/hostkernel/bench/boundary.js
import {
  HostKernel,
  MADV_INVAL,
  MADV_SETMAP,
  MAP_FIXED,
  MAP_SHARED,
  MAP_VPAGETABLE,
  PROT_READ,
  PROT_WRITE,
  TF_EFLAGS,
  TF_EIP,
  TF_ERR,
  TF_ESP,
  TF_TRAPNO,
  T_PAGEFLT,
  T_SYSCALL80,
  VMSPACE_CTL_RUN,
  VPTE_R,
  VPTE_V,
  VPTE_W,
} from "@vkernel/hostkernel";
import { NodePlatform } from "@vkernel/hostkernel/node";

const RW = VPTE_V | VPTE_R | VPTE_W;
const host = new HostKernel({ platform: new NodePlatform(), ramBytes: 64 << 20 });
const ram = host.createImage(64 << 20);
const tf = new Int32Array(20);
const vf = new Int32Array(6);

/** A space whose first 64 pages of text, and data at 0x08400000, are mapped on demand from `page` on. */
function program(id, pdir, code) {
  host.vmspaceCreate(id);
  host.vmspaceMmap(
    id,
    0,
    0x40000000,
    PROT_READ | PROT_WRITE,
    MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE,
    ram,
    0,
  );
  host.vmspaceMcontrol(id, 0, 0x40000000, MADV_SETMAP, (pdir << 12) | RW);
  ram.u32[pdir * 1024 + 0x20] = ((pdir + 1) << 12) | RW;
  ram.u32[pdir * 1024 + 0x21] = ((pdir + 2) << 12) | RW;
  ram.u8.set(code, (pdir + 3) * 4096);
  ram.written((pdir + 3) * 4096, code.length);
  ram.u32[(pdir + 1) * 1024 + 0x48] = ((pdir + 3) << 12) | RW;
  tf.fill(0);
  tf[TF_EIP] = 0x08048000;
  tf[TF_ESP] = 0x08049000;
  tf[TF_EFLAGS] = 0x202;
}

function measure(what, count, body) {
  const rounds = [];
  for (let round = 0; round < 7; round++) {
    const start = process.hrtime.bigint();
    body(count);
    rounds.push(Number(process.hrtime.bigint() - start) / count);
  }
  rounds.sort((a, b) => a - b);
  console.log(`${what.padEnd(48)} ${rounds[3].toFixed(0).padStart(7)} ns  (best ${rounds[0].toFixed(0)})`);
}

// int 0x80; jmp back
program(1, 1, [0xcd, 0x80, 0xeb, 0xfc]);
measure("null system call (int 0x80; jmp)", 200_000, (n) => {
  for (let i = 0; i < n; i++) {
    host.vmspaceCtl(1, VMSPACE_CTL_RUN, tf, vf);
    if (tf[TF_TRAPNO] !== T_SYSCALL80) throw new Error(`trap ${tf[TF_TRAPNO]}`);
  }
});

// mov edi,0x08400000; l: mov [edi],eax; add edi,4096; cmp edi,0x08800000; jb l; int 0x80; jmp start
const touch = [
  0xbf, 0, 0, 0x40, 0x08, 0x89, 0x07, 0x81, 0xc7, 0, 0x10, 0, 0, 0x81, 0xff, 0, 0, 0x80, 0x08, 0x72, 0xf0,
  0xcd, 0x80, 0xeb, 0xe7,
];
program(2, 11, touch);
for (let i = 0; i < 1024; i++) ram.u32[13 * 1024 + i] = ((100 + i) << 12) | RW;
measure("page table walk by the host (first touch)", 100_000, (n) => {
  for (let left = n; left > 0; left -= 1024) {
    host.vmspaceMcontrol(2, 0x08400000, 0x400000, MADV_INVAL, 0);
    host.vmspaceCtl(2, VMSPACE_CTL_RUN, tf, vf);
    if (tf[TF_TRAPNO] !== T_SYSCALL80) throw new Error(`trap ${tf[TF_TRAPNO]}`);
  }
});

program(3, 21, touch);
measure("page fault resolved by the virtual kernel", 100_000, (n) => {
  for (let left = n; left > 0; left -= 1024) {
    ram.u32.fill(0, 23 * 1024, 24 * 1024);
    host.vmspaceMcontrol(3, 0x08400000, 0x400000, MADV_INVAL, 0);
    for (;;) {
      host.vmspaceCtl(3, VMSPACE_CTL_RUN, tf, vf);
      if (tf[TF_TRAPNO] !== T_PAGEFLT) break;
      const index = (tf[TF_ERR] >>> 12) & 0x3ff;
      ram.u32[23 * 1024 + index] = ((100 + index) << 12) | RW;
      host.vmspacePrefault(3, tf[TF_ERR] >>> 0, true);
    }
  }
});

// mov ecx,1e6; l: dec ecx; jnz l; int 0x80; jmp start
program(4, 31, [0xb9, 0x40, 0x42, 0x0f, 0, 0x49, 0x75, 0xfd, 0xcd, 0x80, 0xeb, 0xf4]);
const before = host.stats().instructions;
const start = process.hrtime.bigint();
for (let i = 0; i < 100; i++) host.vmspaceCtl(4, VMSPACE_CTL_RUN, tf, vf);
const took = Number(process.hrtime.bigint() - start);
console.log(
  `${"dec ecx; jnz".padEnd(48)} ${(((host.stats().instructions - before) / took) * 1000).toFixed(0).padStart(7)} MIPS`,
);
