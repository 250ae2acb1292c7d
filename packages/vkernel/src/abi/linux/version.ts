// SPDX-License-Identifier: BSD-3-Clause
/** The Linux that programs are told they run on: recent enough for today's C libraries, which refuse old ones. */
export const LINUX_RELEASE = "5.10.0-vkernel";
export const LINUX_VERSION = "#1 vkernel";
