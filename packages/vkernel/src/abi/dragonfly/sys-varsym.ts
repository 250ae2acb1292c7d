// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly calls on the variables of variant symlinks (DragonFly 2.0 sys/kern/kern_varsym.c). */
import { EINVAL, ENOENT, EOVERFLOW } from "../../sys/errno.ts";
import { copyinstr, fuword, suword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { int, path, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { VARSYM_DATA_MAX, VARSYM_NAME_MAX, VARSYM_PRISON, VARSYM_SYS, varsymFind, varsymSet } from "../../kern/varsym.ts";
import { putBytes } from "./guest-struct.ts";

const bytesOf = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** varsym_set(level, name, data): without data the variable goes. */
function sysVarsymSet(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const name = copyinstr(vm, a[1]!, VARSYM_NAME_MAX);
  const data = a[2] === 0 ? null : copyinstr(vm, a[2]!, VARSYM_DATA_MAX);
  if (a[0] === VARSYM_SYS || a[0] === VARSYM_PRISON) suser(lp.proc);
  const set = varsymSet(lp.proc, a[0]!);
  if (set === null) throw EINVAL;
  if (data === null) set.remove(name);
  else set.set(name, data);
  return 0;
}

/** varsym_get(mask, name, buf, size): the length with its NUL; a value that does not fit is stored as "". */
function sysVarsymGet(lp: Lwp, a: Int32Array): number {
  const name = copyinstr(lp.proc.vmspace!, a[1]!, VARSYM_NAME_MAX);
  const data = varsymFind(lp.proc, a[0]!, name);
  if (data === undefined) throw ENOENT;
  if (data.length < a[3]!) putBytes(lp, a[2]!, bytesOf(`${data}\0`));
  else if (a[3] !== 0) putBytes(lp, a[2]!, new Uint8Array(1));
  return data.length + 1;
}

/** varsym_list(level, buf, size, marker): pairs of strings from the marker's place on; -1 there at the end. */
function sysVarsymList(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const marker = fuword(vm, a[3]!);
  const set = varsymSet(lp.proc, a[0]!);
  if (set === null) throw EINVAL;
  let i = 0;
  let text = "";
  let full = false;
  for (const [name, data] of set.entries()) {
    if (i < marker) {
      i++;
      continue;
    }
    const pair = `${name}\0${data}\0`;
    full = text.length + pair.length > a[2]!;
    if (full) break;
    text += pair;
    i++;
  }
  if (full && text === "") throw EOVERFLOW;
  putBytes(lp, a[1]!, bytesOf(text));
  suword(vm, a[3]!, full ? i : -1);
  return text.length;
}

export const VARSYM_ROWS: readonly Sysent[] = [
  plain(450, "varsym_set", [int, path, path], sysVarsymSet),
  plain(451, "varsym_get", [int, path, uptr, int], sysVarsymGet),
  plain(452, "varsym_list", [int, uptr, int, uptr], sysVarsymList),
];
