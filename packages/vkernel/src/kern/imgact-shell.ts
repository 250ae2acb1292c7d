// SPDX-License-Identifier: BSD-3-Clause
/** Scripts: the `#!` line (DragonFly 2.0 sys/kern/imgact_shell.c; Linux fs/binfmt_script.c). */
import { ENAMETOOLONG, ENOEXEC } from "../sys/errno.ts";

/** Longest path of an interpreter with its NUL. */
const MAXSHELLCMDLEN = 128;

/**
 * Splits the first line of a script into the interpreter and its arguments. DragonFly passes every word, Linux
 * the rest of the line as one argument. Returns null when `head` is no script. Throws ENOEXEC when the line
 * names no interpreter, ENAMETOOLONG when it does not end within `head` or the path is too long.
 */
export function parseScript(head: Uint8Array, oneArgument: boolean): string[] | null {
  if (head.length < 2 || head[0] !== 0x23 || head[1] !== 0x21) return null;
  let end = 2;
  while (end < head.length) {
    const c = head[end]!;
    if (c === 0x0a || c === 0 || (c === 0x23 && !oneArgument)) break;
    end++;
  }
  // A line that fills the whole page may have been cut; the end of a short file ends it too.
  if (end === head.length && head.length === 4096) throw ENAMETOOLONG;
  let line = "";
  for (let i = 2; i < end; i++) line += String.fromCharCode(head[i]!);
  line = line.replace(/^[ \t]+|[ \t]+$/g, "");
  if (line === "") throw ENOEXEC;
  let words = line.split(/[ \t]+/);
  if (oneArgument && words.length > 2) {
    words = [words[0]!, line.slice(words[0]!.length).replace(/^[ \t]+/, "")];
  }
  if (words[0]!.length >= MAXSHELLCMDLEN) throw oneArgument ? ENOEXEC : ENAMETOOLONG;
  return words;
}
