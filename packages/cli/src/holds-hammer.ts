// SPDX-License-Identifier: BSD-3-Clause
import { isHammerError, volumeHeaders, type BlockDevice } from "@vkernel/hammer";

/** Whether a disk is a volume of a HAMMER file system, which nobody overwrites unasked. Throws E_BAD_VOLUME for one that is damaged. */
export function holdsHammer(device: BlockDevice): boolean {
  try {
    volumeHeaders([device]);
    return true;
  } catch (e) {
    if (isHammerError(e, "E_NOT_HAMMER")) return false;
    throw e;
  }
}
