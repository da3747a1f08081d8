import { asyncApiDocument } from "../../src/mqtt/api.js";

/** Prints the AsyncAPI 3 document of all topics: npm run --silent asyncapi > asyncapi.json */
process.stdout.write(`${JSON.stringify(asyncApiDocument(), null, 2)}\n`);
