import { readFile, writeFile } from "node:fs/promises";
import { withConfigurationTable } from "./configuration.js";

const README = new URL("../../src/config/README.md", import.meta.url);
await writeFile(README, withConfigurationTable(await readFile(README, "utf8")));
