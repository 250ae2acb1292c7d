// SPDX-License-Identifier: BSD-3-Clause
/**
 * How every command reports what went wrong: `program: what: why (hint)` on standard error, no stack trace
 * unless VKERNEL_DEBUG=1.
 * @module
 */

/** A failure with a text made for the user. `status` is the exit status it leads to, if the failure decides it. */
export class CliError extends Error {
  readonly what: string;
  readonly why: string;
  readonly hint: string | undefined;
  readonly status: number | undefined;
  constructor(what: string, why: string, hint?: string, status?: number, cause?: unknown) {
    super(`${what}: ${why}`, { cause });
    this.name = "CliError";
    this.what = what;
    this.why = why;
    this.hint = hint;
    this.status = status;
  }
}

/** A failure with a stable code: HammerError, Node's system errors. */
function hasCode(error: unknown): error is Error & { code: string; path?: string } {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "string";
}

const SYSTEM_TEXT: Record<string, string> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  EEXIST: "file exists",
  ENOSPC: "no space left on the host's device",
  EMFILE: "too many open files on the host",
  EROFS: "read-only file system on the host",
};

/** The one line for an error, without the program's name. */
export function errorLine(error: unknown): string {
  if (error instanceof CliError) {
    return `${error.what}: ${error.why}${error.hint === undefined ? "" : ` (${error.hint})`}`;
  }
  if (hasCode(error) && error.path !== undefined && SYSTEM_TEXT[error.code] !== undefined) {
    return `${error.path}: ${SYSTEM_TEXT[error.code]}`;
  }
  if (error instanceof Error) return error.message;
  return String(error);
}

/** Prints the error and returns the exit status it leads to. */
export function report(program: string, error: unknown, fallbackStatus = 1): number {
  process.stderr.write(`${program}: ${errorLine(error)}\n`);
  if (process.env["VKERNEL_DEBUG"] === "1" && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ""}\n`);
    if (error.cause !== undefined) process.stderr.write(`caused by: ${String(error.cause)}\n`);
  }
  return error instanceof CliError ? (error.status ?? fallbackStatus) : fallbackStatus;
}
