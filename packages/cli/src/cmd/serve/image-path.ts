// SPDX-License-Identifier: BSD-3-Clause
/** What `serve` is to share: IMAGE[:PATH]. */
import { existsSync } from "node:fs";

export interface ImagePath {
  /** Image, or directory of the host. */
  readonly image: string;
  /** Absolute path inside; "/" unless given. */
  readonly path: string;
}

/** Splits IMAGE[:PATH]; a file of the whole name comes first. PATH begins with a slash. */
export function imagePath(spec: string): ImagePath {
  const parts = existsSync(spec) ? null : /^(.+?):(\/.*)$/.exec(spec);
  return parts === null ? { image: spec, path: "/" } : { image: parts[1]!, path: parts[2]! };
}
