// SPDX-License-Identifier: BSD-3-Clause
/** Text of unknown origin for a terminal: C0 and C1 control characters, which a terminal would obey, are written as \xNN. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
