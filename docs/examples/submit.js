// Asks with ioredis and prints the answer while it comes. Usage: node submit.js [MODEL [QUESTION]]
const Redis = require("ioredis");
const { randomUUID } = require("crypto");
const db = new Redis(process.env.REDIS_URL || "redis://localhost");
const [model = "gemma3:1b", question = "Why is the sky blue?"] = process.argv.slice(2);
const id = randomUUID(), callback = `orion:inference:responses:${id}`;

(async () => {
  await db.xadd("orion:inference:requests", "*", "request_id", id, "callback", callback,
    "model", model, "stream", "1", "messages", JSON.stringify([{ role: "user", content: question }]));
  let last = "0", entry = {};
  while (entry.type !== "done" && entry.type !== "error") {
    const streams = await db.xread("BLOCK", 10000, "STREAMS", callback, last);
    for (const [entryId, flat] of streams ? streams[0][1] : []) {
      [last, entry] = [entryId, {}];
      for (let i = 0; i < flat.length; i += 2) entry[flat[i]] = flat[i + 1];
      if (entry.type === "chunk") process.stdout.write(JSON.parse(entry.response).message.content);
    }
  }
  console.log(entry.type === "done" ? `\n${entry.node}, ${entry.run_ms} ms` : entry.error);
  db.disconnect();
})();
