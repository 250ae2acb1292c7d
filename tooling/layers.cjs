// The walls between and inside packages, for dependency-cruiser. docs/ARCHITECTURE.md draws the same picture.
// Which package may import which; the public entries alone are reachable.
const packages = {
  mmu: [],
  cpu: ["mmu"],
  hostkernel: ["cpu", "mmu"],
  hammer: [],
  vkernel: ["hostkernel", "hammer"],
  cli: ["hostkernel", "vkernel", "hammer"],
};
const names = Object.keys(packages);

const between = names.map((name) => ({
  name: `${name}-imports-down-only`,
  comment: `@vkernel/${name} may import only: ${packages[name].join(", ") || "nothing of ours"}`,
  severity: "error",
  from: { path: `^packages/${name}/src/`, pathNot: "\\.test\\.ts$" },
  to: { path: `^packages/(${names.filter((n) => n !== name && !packages[name].includes(n)).join("|")})/` },
}));

const entriesOnly = names.map((name) => ({
  name: `${name}-through-its-entry`,
  comment: `@vkernel/${name} is imported through the paths its package.json exports, never by file`,
  severity: "error",
  from: { path: "^packages/([^/]+)/", pathNot: `^packages/${name}/` },
  to: { path: `^packages/${name}/src/`, pathNot: `^packages/${name}/src/(index|node|node/network)\\.ts$` },
}));

/** Folders of one package, top to bottom: a file may import from its own folder and from those below. */
function order(name, rows) {
  const rules = [];
  rows.forEach((row, i) => {
    const above = rows.slice(0, i).flat();
    if (above.length === 0) return;
    rules.push({
      name: `${name}-${row.join("-").replaceAll(/[^a-z-]/g, "")}-stays-below`,
      comment: `${name}/src/${row.join(", ")} must not import from ${above.join(", ")}`,
      severity: "error",
      from: { path: `^packages/${name}/src/(${row.join("|")})(/|\\.ts$)`, pathNot: "\\.test\\.ts$" },
      to: { path: `^packages/${name}/src/(${above.join("|")})(/|\\.ts$)` },
    });
  });
  return rules;
}

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      comment: "No cycles of values; types of one folder may name each other (Vnode and Mount, Proc and Lwp)",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "resolves", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "node-only-at-the-edge",
      comment: "Only the node entries and the cli may import node: modules",
      severity: "error",
      from: {
        path: "^packages/(mmu|cpu|hostkernel|hammer|vkernel)/src/",
        pathNot: "(/src/node\\.ts|/src/node/.*|\\.test\\.ts)$",
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "declared-dependencies",
      comment: "npm packages must be in the package's own dependencies",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"] },
    },
    ...between,
    ...entriesOnly,
    ...order("vkernel", [
      ["boot[^/]*"],
      ["platform"],
      ["abi", "nfs"],
      ["kern"],
      ["vfs"],
      ["vm", "dev", "net"],
      ["sys"],
    ]),
    ...order("hammer", [
      ["node"],
      ["promises"],
      ["mount", "newfs", "check"],
      ["object"],
      ["btree"],
      ["blockmap"],
      ["io", "buffer"],
      ["disk"],
    ]),
    ...order("mmu", [["access"], ["translation", "pagetable", "vpte"], ["memory"], ["layout"]]),
    {
      // sys/frame.ts and the two host.ts hand on constants and types of the border, no calls.
      name: "only-platform-names-hostkernel",
      severity: "error",
      from: {
        path: "^packages/vkernel/src/",
        pathNot:
          "(^packages/vkernel/src/(platform/|sys/frame\\.ts|net/inet/host\\.ts|vfs/dirfs/host\\.ts|boot[^/]*\\.ts|index\\.ts)|\\.test\\.ts$)",
      },
      to: { path: "^packages/hostkernel/" },
    },
    {
      name: "only-vfs-hammer-names-hammer",
      severity: "error",
      from: { path: "^packages/vkernel/src/", pathNot: "(^packages/vkernel/src/vfs/hammer/|\\.test\\.ts$)" },
      to: { path: "^packages/hammer/" },
    },
    {
      name: "wasm-knows-no-x86",
      severity: "error",
      from: { path: "^packages/cpu/src/wasm/" },
      to: { path: "^packages/cpu/src/(?!wasm/)" },
    },
    {
      name: "abis-know-each-other-not",
      severity: "error",
      from: { path: "^packages/vkernel/src/abi/(linux|dragonfly)/" },
      to: { path: "^packages/vkernel/src/abi/(linux|dragonfly)/", pathNot: "^packages/vkernel/src/abi/$1/" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|node_modules)/" },
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@vkernel/source", "import", "types", "default"],
    },
  },
};
