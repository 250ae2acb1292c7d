// SPDX-License-Identifier: BSD-3-Clause
/** Users of the guest: `-u` takes NAME, UID, NAME:GROUP or UID:GID, looked up in the guest's own files. */
import { CliError } from "./ui/errors.ts";

export interface GuestUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
  readonly name: string;
}

const ROOT: GuestUser = { uid: 0, gid: 0, groups: [], home: "/root", name: "root" };

function lines(text: string | null): string[][] {
  return (text ?? "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

/** The largest id: the one above means "as it is" in system calls. */
const ID_MOST = 0xffff_fffe;
function idNumber(spec: string, text: string): number {
  const id = Number(text);
  if (text === "" || !Number.isInteger(id) || id < 0 || id > ID_MOST) throw new CliError(`-u ${spec}`, `'${text}' is no id`, `a number from 0 to ${ID_MOST}`);
  return id;
}

/** Looks `spec` up; `read` gives the text of a guest file, or null. */
export function guestUser(spec: string | undefined, read: (file: string) => string | null): GuestUser {
  if (spec === undefined) return ROOT;
  const [user, group] = spec.split(":") as [string, string | undefined];
  const numeric = /^\d+$/.test(user);
  // master.passwd's public half has more fields on BSD; name, uid and gid stand first on both.
  const entry = lines(read("/etc/passwd")).find((f) => (numeric ? f[2] === user : f[0] === user));
  if (entry === undefined && !numeric) {
    throw new CliError(`-u ${spec}`, `no user '${user}' in the guest's /etc/passwd`, "a numeric uid always works");
  }
  const uid = idNumber(spec, entry?.[2] ?? user);
  const groups = lines(read("/etc/group"));
  const name = entry?.[0] ?? user;
  let gid = idNumber(spec, entry?.[3] ?? user);
  if (group !== undefined) {
    const found = /^\d+$/.test(group) ? group : groups.find((f) => f[0] === group)?.[2];
    if (found === undefined) throw new CliError(`-u ${spec}`, `no group '${group}' in the guest's /etc/group`);
    gid = idNumber(spec, found);
  }
  const member = groups.filter((f) => (f[3] ?? "").split(",").includes(name)).map((f) => Number(f[2]));
  const home = entry?.find((field, i) => i >= 5 && field.startsWith("/")) ?? "/";
  return { uid, gid, groups: member.filter((g) => g !== gid), home, name };
}
