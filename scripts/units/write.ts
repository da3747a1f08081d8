import { readFile, writeFile } from "node:fs/promises";
import { instanceUnit } from "./instance-unit.js";

const unit = new URL("../../systemd/emotiond.service", import.meta.url);
const instance = new URL("../../systemd/emotiond@.service", import.meta.url);
await writeFile(instance, instanceUnit(await readFile(unit, "utf8")));
