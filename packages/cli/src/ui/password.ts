// SPDX-License-Identifier: BSD-3-Clause
/** Passwords: asked for on the terminal without showing them, or the first line of a file. */
import { readFileSync } from "node:fs";
import { CliError } from "./errors.ts";

const [CTRL_C, CTRL_D, BACKSPACE, DELETE, CTRL_U] = ["\u0003", "\u0004", "\u0008", "\u007f", "\u0015"];

/** The first line of a file; a file without one is refused. */
export function passwordFrom(file: string): string {
  const line = readFileSync(file, "utf8").split(/\r?\n/)[0]!;
  if (line === "") throw new CliError(file, "its first line is empty", "the password stands there alone");
  return line;
}

/** Asks on the terminal, which is standard input and error. Throws CliError when the user gives up. */
export async function askPassword(prompt: string): Promise<string> {
  const { stdin } = process;
  process.stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  let typed = "";
  try {
    for await (const text of stdin.iterator({ destroyOnReturn: false })) {
      for (const c of text as string) {
        if (c === "\r" || c === "\n") return typed;
        if (c === CTRL_C || c === CTRL_D) throw new CliError("password", "not given");
        if (c === CTRL_U) typed = "";
        else if (c === BACKSPACE || c === DELETE) typed = [...typed].slice(0, -1).join("");
        else typed += c;
      }
    }
    throw new CliError("password", "not given");
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    process.stderr.write("\n");
  }
}
