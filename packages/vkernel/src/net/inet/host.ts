// SPDX-License-Identifier: BSD-3-Clause
/** What the internet domain needs of the host's network: types alone, the platform brings what has them. */
export type { HostAddress, HostConnection, HostDatagrams, HostNetwork } from "@vkernel/hostkernel";
