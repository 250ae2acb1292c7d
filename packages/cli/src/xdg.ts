// SPDX-License-Identifier: BSD-3-Clause
/** Folders of the user's by the XDG Base Directory Specification 0.8. */
import os from "node:os";
import path from "node:path";

/** What a variable falls back to, below the home folder; the runtime directory has no fallback of its own. */
const FALLBACK = { XDG_CONFIG_HOME: ".config", XDG_STATE_HOME: ".local/state", XDG_CACHE_HOME: ".cache" } as const;

/** The folder that `variable` names; a path that is not absolute is to be ignored, as if the variable were not set. */
function named(variable: string): string | null {
  const value = process.env[variable];
  return value !== undefined && path.isAbsolute(value) ? value : null;
}

export const xdgFolder = (variable: keyof typeof FALLBACK): string => named(variable) ?? path.join(os.homedir(), FALLBACK[variable]);

/** $XDG_RUNTIME_DIR, or null where a session has none. */
export const xdgRuntimeDir = (): string | null => named("XDG_RUNTIME_DIR");
