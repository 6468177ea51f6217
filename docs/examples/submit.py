"""Asks with redis-py and prints the answer while it comes. Usage: submit.py [MODEL [QUESTION]]"""
import json, os, sys, uuid
import redis

model = sys.argv[1] if len(sys.argv) > 1 else "gemma3:1b"
question = sys.argv[2] if len(sys.argv) > 2 else "Why is the sky blue?"
db = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"), decode_responses=True)
callback, last, entry = f"orion:inference:responses:{uuid.uuid4()}", "0", {}
db.xadd("orion:inference:requests", {
    "request_id": callback.rpartition(":")[2], "callback": callback, "model": model, "stream": "1",
    "messages": json.dumps([{"role": "user", "content": question}])})
while entry.get("type") not in ("done", "error"):
    for last, entry in (db.xread({callback: last}, block=10_000) or [(None, [])])[0][1]:
        if entry["type"] == "chunk":
            print(json.loads(entry["response"])["message"]["content"], end="", flush=True)
print(f"\n{entry['node']}, {entry['run_ms']} ms" if entry["type"] == "done" else entry["error"])
