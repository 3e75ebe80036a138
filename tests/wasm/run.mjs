// Runs device tests on MicroPython for WebAssembly, which has 32 bits as the boards have.
//
// node run.mjs NODE_MODULES ROOT TEST...   prints a line for each test, then `P passed, F failed, S skipped`.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, root, ...names] = process.argv.slice(2);
const entry = path.join(modules, "@micropython/micropython-webassembly-pyscript/micropython.mjs");
const { loadMicroPython } = await import(pathToFileURL(entry).href);
const vm = await loadMicroPython({ heapsize: 64 * 1024 * 1024, linebuffer: true });

function copy(from, to) {
  vm.FS.mkdirTree(to);
  for (const item of fs.readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, item.name), `${to}/${item.name}`];
    if (item.isDirectory() && item.name !== "__pycache__") copy(source, target);
    else if (/\.(py|json|bin|hex)$/.test(item.name)) vm.FS.writeFile(target, fs.readFileSync(source));
  }
}

for (const place of ["firmware/agent", "firmware/profiles", "tests/lib", "tests/fakes", "tests/support",
  "tests/firmware", "tests/vectors", "tests/profiles"]) copy(path.join(root, place), `/root/${place}`);

vm.runPython(`
import os, sys
os.chdir("/root")
sys.path[:0] = ["/root/firmware", "/root/tests", "/root/tests/lib", "/root/tests/firmware"]
import unittest
print("bits", 32 if sys.maxsize < 1 << 32 else 64)
total = [0, 0, 0]
for name in ${JSON.stringify(names)}:
    result = unittest.Result()
    unittest.run_module(__import__(name), result)
    counts = [result.passed, result.failed, len(result.skipped)]
    print(name, *counts)
    total = [a + b for a, b in zip(total, counts)]
print("%d passed, %d failed, %d skipped" % tuple(total))
`);
