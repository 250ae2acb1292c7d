// SPDX-License-Identifier: BSD-3-Clause
/** Before each test file of the project "misses". */
import { missEverywhere } from "./kern/misses.ts";

missEverywhere();
