// The protocol's own library as an editor that lends its files and terminals: over standard streams, and over a WebSocket.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import * as acp from "@agentclientprotocol/sdk";
import { createWebSocketStream } from "@agentclientprotocol/sdk/experimental/ws-client";
import { WebSocket } from "ws";

const [way, target, cwd, more] = process.argv.slice(2);
const { session: methods, initialize } = acp.methods.agent;
const { fs, terminal, session: asked } = acp.methods.client;
const token = way === "ws" ? readFileSync(more, "utf8") : "";
const bearer = { Authorization: `Bearer ${token}` };

/** What the editor has open, and its terminals. */
function editor() {
  const heard = { updates: [], waiting: [], open: new Map(), terminals: new Map(), log: [] };
  const held = ({ terminalId }) => heard.terminals.get(terminalId);
  const app = acp
    .client({ name: "test" })
    .onNotification(asked.update, ({ params }) => {
      heard.updates.push(params.update);
      heard.waiting = heard.waiting.filter((waits) => !waits(params.update));
    })
    .onRequest(fs.readTextFile, ({ params }) => {
      heard.log.push(`read ${params.path}`);
      if (!heard.open.has(params.path)) throw new acp.RequestError(-32002, "no such file");
      return { content: heard.open.get(params.path) };
    })
    .onRequest(fs.writeTextFile, ({ params }) => {
      heard.log.push(`write ${params.path}`);
      heard.open.set(params.path, params.content);
      return {};
    })
    .onRequest(terminal.create, ({ params }) => {
      const terminalId = `t${heard.terminals.size}`;
      const env = { ...process.env, ...Object.fromEntries(params.env.map(({ name, value }) => [name, value])) };
      const child = spawn(params.command, params.args, { cwd: params.cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
      const running = { output: "", child, exit: once(child, "close"), released: false };
      for (const from of [child.stdout, child.stderr]) from.on("data", (piece) => (running.output += piece));
      heard.terminals.set(terminalId, running);
      return { terminalId };
    })
    .onRequest(terminal.output, ({ params }) => ({ output: held(params).output, truncated: false }))
    .onRequest(terminal.waitForExit, async ({ params }) => {
      const [exitCode, signal] = await held(params).exit;
      return { exitCode, signal };
    })
    .onRequest(terminal.kill, ({ params }) => {
      held(params).child.kill("SIGKILL");
      return {};
    })
    .onRequest(terminal.release, ({ params }) => {
      held(params).released = true;
      return {};
    });
  return { app, heard };
}

const socket = () => createWebSocketStream(target, { WebSocket, headers: bearer });

/** A connection, and everything that it says. */
async function connected(work) {
  const { app, heard } = editor();
  if (way === "ws") return app.connectWith(socket(), (agent) => work(agent, heard));
  const child = spawn(target, ["acp", "--model", more, "--permission-mode", "yolo"], { stdio: ["pipe", "pipe", "inherit"] });
  const stream = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
  const result = await app.connectWith(stream, (agent) => work(agent, heard));
  child.stdin.end();
  assert.deepEqual(await once(child, "exit"), [0, null]);
  return result;
}

const say = (words) => [{ type: "text", text: words }];
const text = (heard) => heard.updates.filter((update) => update.sessionUpdate === "agent_message_chunk").map((update) => update.content.text).join("");
const seen = (heard, fits) =>
  new Promise((done, fail) => {
    heard.waiting.push((update) => fits(update) && (done(), true));
    // Nothing hangs on how long it takes; but what never comes ends the test.
    setTimeout(() => fail(new Error(`never told: ${fits}`)), 60_000).unref();
  });
const capabilities = { fs: { readTextFile: true, writeTextFile: true }, terminal: true };
const start = (agent) => agent.request(initialize, { protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities: capabilities });

const sessionId = await connected(async (agent, heard) => {
  await start(agent);
  const { sessionId } = await agent.request(methods.new, { cwd, mcpServers: [] });
  const path = `${cwd}/a.txt`;
  writeFileSync(path, "saved\n");
  heard.open.set(path, "unsaved\n");
  // It reads, changes and reads a file, and runs a command that leaves something running.
  const { stopReason } = await agent.request(methods.prompt, { sessionId, prompt: say("Go on") });
  assert.equal(stopReason, "end_turn");
  assert.equal(text(heard), "So it is.");
  assert.equal(heard.open.get(path), "changed\n");
  assert.equal(readFileSync(path, "utf8"), "saved\n");
  assert.deepEqual(heard.log, [`read ${path}`, `read ${path}`, `write ${path}`, `read ${path}`]);
  const [ran] = heard.terminals.values();
  assert.equal(ran.output, "in a terminal\n");
  assert.equal(ran.released, true);
  const shown = heard.updates.filter((update) => update.content?.[0]?.type === "terminal");
  assert.ok(shown.length > 0 && shown.every((update) => update.content[0].terminalId === "t0"));
  assert.ok(shown.some((update) => update.status === "in_progress"));

  // A turn that is cancelled has its command killed, and the terminal given back.
  const runs = seen(heard, (update) => update.content?.[0]?.terminalId === "t1");
  const prompt = agent.request(methods.prompt, { sessionId, prompt: say("Wait") });
  await runs;
  await agent.notify(methods.cancel, { sessionId });
  assert.equal((await prompt).stopReason, "cancelled");
  const killed = heard.terminals.get("t1");
  assert.equal((await killed.exit)[1], "SIGKILL");
  assert.equal(killed.released, true);

  const query = "query($id: ID!) { session(id: $id) { calls(first: 9) { nodes { tool editor { name terminal } } } } }";
  const { data } = await agent.request("_glasswork/query", { query, variables: { id: sessionId } });
  const places = data.session.calls.nodes.map(({ tool, editor }) => [tool, editor?.terminal]);
  assert.deepEqual(places, [["read", null], ["edit", null], ["read", null], ["bash", "t0"], ["bash", "t1"]]);
  return sessionId;
});

/** How an upgrade is answered, and how what is sent then ends it. */
async function outcome(options, protocols = [], send = () => {}) {
  const client = new WebSocket(target, protocols, options);
  const refused = once(client, "unexpected-response").then(([, response]) => response.statusCode).catch(() => new Promise(() => {}));
  const open = once(client, "open").then(async () => {
    const closed = once(client, "close");
    await send(client);
    const [code] = await closed;
    return [client.protocol, code];
  });
  client.on("error", () => {});
  return Promise.race([refused, open.catch(() => new Promise(() => {}))]);
}

if (way === "ws") {
  const page = `glasswork.token.${token}`;
  const own = new URL(target.replace("ws:", "http:")).origin;
  assert.equal(await outcome({}), 401, "nobody comes in without the token");
  assert.equal(await outcome({ headers: { Authorization: "Bearer 0" } }), 401);
  assert.equal(await outcome({ headers: { Authorization: "Bearer 0" } }, ["acp", page]), 401);
  assert.equal(await outcome({}, ["acp", `${page}0`]), 401);
  assert.equal(await outcome({ headers: bearer, origin: "http://evil.example" }), 403);
  assert.equal(await outcome({ headers: { ...bearer, Host: "evil.example" } }), 403);
  const leaves = (client) => client.close();
  assert.deepEqual(await outcome({ headers: bearer }, [], leaves), ["", 1005]);
  assert.deepEqual(await outcome({ origin: own }, ["acp", page], leaves), ["acp", 1005], "a page says it as a protocol");
  assert.deepEqual(await outcome({ headers: bearer }, [], (client) => client.send(Buffer.from("{}"))), ["", 1003]);
  const long = Buffer.alloc((48 << 20) + 1, 0x20);
  // The host closes before it has read all of that, so its last word may be lost.
  const [, tooLong] = await outcome({ headers: bearer }, [], (client) => client.send(long, { binary: false }));
  assert.ok([1009, 1006].includes(tooLong), `${tooLong}`);
  const plain = await fetch(target.replace("ws:", "http:"), { headers: bearer });
  assert.equal(plain.status, 426);

  // Messages may have line ends in them, and what is none is answered.
  const raw = new WebSocket(target, { headers: bearer });
  const lines = [];
  raw.on("message", (data, isBinary) => lines.push([isBinary, JSON.parse(data)]));
  await once(raw, "open");
  for (const said of ["no json", '{\r\n  "jsonrpc": "2.0",\n  "id": 1,\n  "method": "initialize",\n  "params": { "protocolVersion": 1 }\n}']) {
    raw.send(said);
    await once(raw, "message");
  }
  assert.deepEqual(lines.map(([isBinary, line]) => [isBinary, line.error?.code ?? line.result.protocolVersion]), [[false, -32700], [false, 1]]);
  raw.terminate();

  // One that leaves in the middle of a turn leaves the turn running: the host is there for others too.
  const { app, heard } = editor();
  await app.connectWith(socket(), async (agent) => {
    // It lends nothing, so the command is the host's.
    await agent.request(initialize, { protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities: {} });
    await agent.request(methods.load, { sessionId, cwd, mcpServers: [] });
    const asksFor = seen(heard, (update) => update.sessionUpdate === "tool_call" && update.title.includes("go"));
    agent.request(methods.prompt, { sessionId, prompt: say("On") }).catch(() => {});
    await asksFor;
  });
  await connected(async (agent, heard) => {
    await start(agent);
    await agent.request(methods.load, { sessionId, cwd, mcpServers: [] });
    const goes = seen(heard, (update) => update.content?.text === "The other has left.");
    writeFileSync(`${cwd}/go`, "");
    await goes;
  });
}

console.log("done");
process.exit(0);
