// SPDX-License-Identifier: BSD-3-Clause
/** The past of an image by a transaction id or a time, as the name under which the file system shows it. */
import { openImage } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { moment } from "../../ui/moment.ts";

const OPTION = "--as-of";

/** "/@@0x…" for a TID or a time; what a time means is looked up in the image. Throws CliError. */
export function asOfName(image: string, when: string): string {
  if (/^0x[0-9a-f]{1,16}$/i.test(when)) return `/@@0x${when.slice(2).padStart(16, "0")}`;
  const ms = moment(when, Date.now());
  if (ms === null) {
    throw new CliError(OPTION, `'${when}' is neither a transaction id nor a time`, "0x00000001061a8ba0, 2026-11-17T18:00, or '2 hours ago'");
  }
  const m = openImage(image);
  try {
    const tid = m.tidAt(Math.floor(ms / 1000));
    if (tid === null) throw new CliError(OPTION, `${image} has no history as old as ${new Date(ms).toISOString()}`);
    return `/@@0x${tid.toString(16).padStart(16, "0")}`;
  } finally {
    m.unmount();
  }
}
