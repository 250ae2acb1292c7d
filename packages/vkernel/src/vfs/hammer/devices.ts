// SPDX-License-Identifier: BSD-3-Clause
/** The block devices of HAMMER, for the parts of the kernel that hand them on but must not name the package. */
export type { BlockDevice } from "@vkernel/hammer";
