"""A brain for OpenComputer in plain Python: it asks the session's model, and
lets the tools do what that wants. The contract is in docs/runtimes.md."""
import json, os, threading, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

busy = threading.Lock()

def post(url, body, **headers):
    headers = {"content-type": "application/json", **headers}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

def turn(asked, tell):
    config = asked["config"]
    rpc = lambda method, **params: post(config["mcp_endpoint"], {
        "jsonrpc": "2.0", "id": 1, "method": method, "params": params})["result"]
    tools = [{"name": tool["name"], "description": tool["description"], "input_schema": tool["inputSchema"]}
             for tool in rpc("tools/list")["tools"]]
    said = asked.get("history", []) + asked["input"]
    for _ in range(config["max_turns"]):
        answer = post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", {
            "model": config["model"], "max_tokens": 8000, "system": config["system_prompt"],
            "tools": tools, "messages": said,
        }, **{"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"})
        tell("assistant", answer["content"])
        said.append({"role": "assistant", "content": answer["content"]})
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        results = []
        for call in calls:
            done = rpc("tools/call", name=call["name"], arguments=call["input"])
            results.append({"type": "tool_result", "tool_use_id": call["id"],
                            "content": done["content"], "is_error": done["isError"]})
        if not calls or any(call["name"] == "ask" for call in calls):
            return "awaiting_input" if calls else "quiescent"
        said.append({"role": "user", "content": results})
    raise RuntimeError("too many steps")

class Brain(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"status": "ready", "contract_version": "1", "busy": busy.locked()})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not busy.acquire(blocking=False):
            return self.answer(409, {"error": "busy"})
        try:
            self.answer(200)
            seq = iter(range(1, 1 << 30))
            write = lambda line: (self.wfile.write(json.dumps({"seq": next(seq), **line}).encode() + b"\n"), self.wfile.flush())
            try:
                write({"kind": "done", "reason": turn(asked, lambda kind, msg: write({"kind": kind, "msg": msg}))})
            except Exception as error:
                write({"kind": "done", "reason": "error", "error": str(error)})
        finally:
            busy.release()

    def answer(self, status, body=None):
        self.send_response(status)
        self.end_headers()
        if body is not None:
            self.wfile.write(json.dumps(body).encode())

ThreadingHTTPServer(("127.0.0.1", int(os.environ["OC_BRAIN_PORT"])), Brain).serve_forever()
