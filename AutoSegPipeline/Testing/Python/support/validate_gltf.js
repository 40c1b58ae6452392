// Validates one glTF file with the Khronos validator and prints its report as JSON.
// Usage: node validate_gltf.js NODE_MODULES FILE
"use strict";
const fs = require("fs");
const path = require("path");

const validator = require(path.join(process.argv[2], "gltf-validator"));
const file = process.argv[3];

validator
  .validateBytes(new Uint8Array(fs.readFileSync(file)), { uri: path.basename(file), maxIssues: 0 })
  .then((report) => process.stdout.write(JSON.stringify(report)))
  .catch((error) => {
    process.stderr.write(String(error));
    process.exitCode = 1;
  });
