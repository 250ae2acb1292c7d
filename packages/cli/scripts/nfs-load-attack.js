// SPDX-License-Identifier: BSD-3-Clause
/** Clients that mean harm, in a thread of their own so that they do not hold up the honest ones: garbage, calls that never end, idle connections. */
import { connect } from "node:net";
import { workerData } from "node:worker_threads";
import { contents, randomSource } from "./load-common.js";

const { port, connections, seed } = workerData;
const PERIOD_MS = 100;
/** New idle connections in one period. */
const BURST = 250;
const random = randomSource(seed);
const open = new Set();

function one(onConnect) {
  const socket = connect({ host: "127.0.0.1", port }, () => onConnect(socket));
  open.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => open.delete(socket));
}

setInterval(() => {
  for (let i = 0; i < 5; i++) one((s) => s.write(Buffer.from(contents(1 + random(5000), random(2 ** 32)))));
  // A long record that never comes.
  one((s) => s.write(Buffer.concat([Buffer.from([0x80, 3, 0, 0]), Buffer.alloc(random(200_000))])));
  for (let i = 0; i < BURST && open.size < connections; i++) one(() => {});
}, PERIOD_MS);
