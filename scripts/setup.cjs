#!/usr/bin/env node
/*
 * What `npm start`, `npm test` and `npm run package` need, set up before: `node scripts/setup.cjs start|test|package`.
 * Plain JavaScript, as it runs before anything is installed, and old JavaScript, so that an old Node.js can still
 * read the sentence that refuses it.
 */
"use strict";

var OLDEST = 20;
var major = Number(process.versions.node.split(".")[0]);

if (major < OLDEST) {
  console.error(
    "emotiond needs Node.js " +
      OLDEST +
      ", 22 or 24, and this is " +
      process.version +
      ": install a newer one, for example from https://nodejs.org/en/download, and start again.",
  );
  process.exit(1);
}

void import("./setup/main.mjs").then((setup) => setup.main(process.argv[2] || "start"));
