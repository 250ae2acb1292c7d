// SPDX-License-Identifier: BSD-3-Clause
/**
 * Telling those who watch files and directories (sys/event.ts): a file's own watchers, and its directory's, who hear the
 * name too (Linux include/linux/fsnotify.h).
 * @module
 */
import { knote, type NameEvent } from "../sys/event.ts";
import { VDIR, type Vnode } from "./vnode.ts";

/** Something happened to a file: NOTE_* bits; the directory hears it first. A few comparisons when nobody watches. */
export function vnodeNote(vp: Vnode, hint: number): void {
  const { nch } = vp;
  const dvp = nch === null || nch.detached || nch.parent === null ? null : nch.parent.vp;
  if (dvp !== null && dvp.klist !== null) {
    dvp.klist.note(0, { what: "file", hint, name: nch!.name, isDir: vp.type === VDIR, cookie: 0 });
  }
  knote(vp, hint);
}

/** A name of directory `dvp` came or went; `hint` is what that is to the directory itself. */
export function nameNote(
  dvp: Vnode,
  hint: number,
  what: NameEvent["what"],
  name: string,
  isDir: boolean,
  cookie = 0,
): void {
  if (dvp.klist !== null) dvp.klist.note(hint, { what, hint, name, isDir, cookie });
}
