// Runs one command to its end, or to its time limit together with everything it started.
import { spawn } from "node:child_process";

const running = new Set();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    for (const child of running) killGroup(child);
    process.exit(130);
  });
}

function killGroup(child) {
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/**
 * Resolves to { stdout, stderr, ended }: `ended` is null for exit status 0, else what happened in words.
 * `seconds`: the limit.
 */
export function runCommand(argv, { seconds, env, cwd } = {}) {
  return new Promise((resolve) => {
    const child = spawn(argv[0], argv.slice(1), {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      cwd,
      env: { ...process.env, ...env },
    });
    running.add(child);
    const out = { stdout: [], stderr: [] };
    child.stdout.on("data", (chunk) => out.stdout.push(chunk));
    child.stderr.on("data", (chunk) => out.stderr.push(chunk));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, seconds * 1000);
    const done = (ended) => {
      clearTimeout(timer);
      running.delete(child);
      const text = (name) => Buffer.concat(out[name]).toString("latin1");
      resolve({ stdout: text("stdout"), stderr: text("stderr"), ended });
    };
    child.on("error", (error) => done(error.message));
    child.on("close", (status, signal) => {
      if (late) done(`stopped after ${seconds} s`);
      else if (signal !== null) done(`killed by ${signal}`);
      else done(status === 0 ? null : `status ${status}`);
    });
  });
}
