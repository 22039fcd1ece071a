// The protocol's own library as a client: a whole conversation with the program, over its standard streams.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import * as acp from "@agentclientprotocol/sdk";

const [program, cwd, model, toolModel, shellServer] = process.argv.slice(2);
const { session: methods, initialize } = acp.methods.agent;

/** One process of the program, and everything that it says. */
async function connected(work, asks = model) {
  const child = spawn(program, ["acp", "--model", asks], { stdio: ["pipe", "pipe", "inherit"] });
  const heard = { updates: [], asked: [], answer: () => "reject", waiting: [] };
  const stream = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
  const app = acp
    .client({ name: "test" })
    .onRequest(acp.methods.client.session.requestPermission, ({ params }) => {
      heard.asked.push(params);
      return heard.answer(params);
    })
    .onNotification(acp.methods.client.session.update, ({ params }) => {
      heard.updates.push(params.update);
      heard.waiting = heard.waiting.filter((waits) => !waits(params.update));
    });
  const result = await app.connectWith(stream, (agent) => work(agent, heard));
  child.stdin.end();
  const [code] = await once(child, "exit");
  assert.equal(code, 0, "the program ends when its client leaves");
  return result;
}

const chosen = (optionId) => ({ outcome: { outcome: "selected", optionId } });
const of = (heard, kind) => heard.updates.filter((update) => update.sessionUpdate === kind);
const text = (heard, kind) => of(heard, kind).map((update) => update.content.text).join("");
const seen = (heard, fits) =>
  new Promise((done, fail) => {
    heard.waiting.push((update) => fits(update) && (done(), true));
    // Nothing hangs on how long it takes; but what never comes ends the test.
    setTimeout(() => fail(new Error(`never told: ${fits}`)), 60_000).unref();
  });
const say = (words) => [{ type: "text", text: words }];
const start = (agent) =>
  agent.request(initialize, { protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities: { session: { notices: {} } } });
const fails = async (promise, code) => {
  const error = await promise.then(() => assert.fail("it was answered"), (error) => error);
  assert.equal(error.code, code, error.message);
};

const id = await connected(async (agent, heard) => {
  const hello = await start(agent);
  assert.equal(hello.protocolVersion, 1);
  assert.equal(hello.agentInfo.name, "glasswork");
  assert.equal(hello.agentCapabilities.loadSession, true);
  assert.deepEqual(Object.keys(hello.agentCapabilities.sessionCapabilities).sort(), ["close", "delete", "list", "resume"]);
  assert.ok(hello.authMethods.some((method) => method.id === "anthropic"));
  await fails(agent.request(acp.methods.agent.authenticate, { methodId: "anthropic" }), -32000);

  await fails(agent.request(methods.new, { cwd: "relative", mcpServers: [] }), -32602);
  await fails(agent.request(methods.prompt, { sessionId: "nobody", prompt: say("Hi") }), -32002);
  const session = await agent.request(methods.new, { cwd, mcpServers: [] });
  const { sessionId } = session;
  assert.equal(session.modes.currentModeId, "ask");
  assert.deepEqual(session.configOptions.map((option) => option.category), ["model", "thought_level"]);

  // A call that is allowed.
  heard.answer = () => chosen("allow");
  const allowed = await agent.request(methods.prompt, { sessionId, prompt: say("Write it") });
  assert.equal(allowed.stopReason, "end_turn");
  assert.equal(heard.asked.length, 1);
  assert.deepEqual(heard.asked[0].options.map((option) => option.kind), ["allow_once", "allow_always", "reject_once"]);
  assert.equal(text(heard, "agent_thought_chunk"), "A file it is.");
  assert.equal(text(heard, "agent_message_chunk"), "I write.Written.");
  assert.deepEqual(of(heard, "user_message_chunk"), [], "a client knows what it said itself");
  const [call] = of(heard, "tool_call");
  // That it is pending goes without saying.
  assert.deepEqual([call.title, call.kind, call.status, call.name], ["write: a.txt", "edit", undefined, "write"]);
  const became = of(heard, "tool_call_update").map((update) => update.status);
  assert.deepEqual([...new Set(became)], ["pending", "in_progress", "completed"]);
  assert.deepEqual(of(heard, "tool_call_update").at(-1).content, [{ type: "diff", path: `${cwd}/a.txt`, newText: "one\n" }]);

  // One that is rejected.
  heard.updates = [];
  heard.answer = () => chosen("reject");
  const rejected = await agent.request(methods.prompt, { sessionId, prompt: say("Change it") });
  assert.equal(rejected.stopReason, "end_turn");
  assert.equal(of(heard, "tool_call_update").at(-1).status, "failed");
  assert.equal(text(heard, "agent_message_chunk"), "As you wish.");

  // A turn that is cancelled while its command runs; meanwhile there is no room for another.
  heard.answer = () => chosen("allow");
  const runs = seen(heard, (update) => update.status === "in_progress");
  const prompt = agent.request(methods.prompt, { sessionId, prompt: say("Wait") });
  await runs;
  await fails(agent.request(methods.prompt, { sessionId, prompt: say("Me too") }), -32600);
  await agent.notify(methods.cancel, { sessionId });
  assert.equal((await prompt).stopReason, "cancelled");

  // What can be chosen.
  heard.updates = [];
  const modeIs = seen(heard, (update) => update.currentModeId === "plan");
  await agent.request(methods.setMode, { sessionId, modeId: "plan" });
  await modeIs;
  await fails(agent.request(methods.setMode, { sessionId, modeId: "none" }), -32602);
  const option = (configId, value) => agent.request(methods.setConfigOption, { sessionId, configId, value });
  const thinks = await option("thinking", "high");
  assert.equal(thinks.configOptions.find((option) => option.id === "thinking").currentValue, "high");
  await fails(option("model", "nobody/nothing"), -32602);

  // The host's own methods, on the same connection.
  const own = (name, params) => agent.request(`_glasswork/${name}`, params);
  const graph = await own("query", { query: "query($id: ID!) { session(id: $id) { turn { state } } }", variables: { id: sessionId } });
  assert.deepEqual(graph, { data: { session: { turn: { state: "cancelled" } } } });
  const { attachment, base } = await own("attach", { session: sessionId, name: "extension", role: "observer" });
  assert.ok(base.transcript.length > 0);
  await own("subscribe", { attachment });
  await fails(own("steer", { attachment, text: "Hurry" }), -32000);
  await own("detach", { attachment });
  const replayed = await own("replay", { session: sessionId });
  assert.deepEqual([replayed.equal, replayed.difference_count], [true, 0]);
  await fails(own("no-such", {}), -32601);

  // Who only looks on acts on nothing.
  const resume = { sessionId, cwd, mcpServers: [] };
  await agent.request(methods.resume, { ...resume, _meta: { glasswork: { role: "observer" } } });
  await fails(agent.request(methods.prompt, { sessionId, prompt: say("Hi") }), -32600);
  await fails(agent.request(methods.prompt, { sessionId, prompt: say("/rename It") }), -32600);
  heard.updates = [];
  await agent.request(methods.prompt, { sessionId, prompt: say("/help detach") });
  assert.match(text(heard, "agent_message_chunk"), /\/detach: leave/);
  await fails(agent.request(methods.setMode, { sessionId, modeId: "ask" }), -32600);
  await agent.request(methods.resume, resume);

  const listed = await agent.request(methods.list, { cwd });
  assert.deepEqual(listed.sessions.map((row) => [row.sessionId, row.cwd, row.title]), [[sessionId, cwd, "Write it"]]);
  return sessionId;
});

// Another process, another connection: what was said is told again, and the session goes on.
await connected(async (agent, heard) => {
  await start(agent);
  const loaded = await agent.request(methods.load, { sessionId: id, cwd, mcpServers: [] });
  assert.equal(loaded.modes.currentModeId, "ask", "a session opens with what is set now");
  assert.equal(text(heard, "user_message_chunk"), "Write itChange itWait");
  assert.ok(text(heard, "agent_message_chunk").startsWith("I write.Written.As you wish."));
  assert.deepEqual(of(heard, "tool_call").map((call) => call.status), ["completed", "failed", "failed"]);
  heard.updates = [];
  const on = await agent.request(methods.prompt, { sessionId: id, prompt: say("Still there?") });
  assert.equal(on.stopReason, "end_turn");
  assert.equal(text(heard, "agent_message_chunk"), "Still here.");
  await agent.request(methods.close, { sessionId: id });
  await fails(agent.request(methods.prompt, { sessionId: id, prompt: say("Hello?") }), -32002);

  heard.updates = [];
  const announced = seen(heard, (update) => update.sessionUpdate === "available_commands_update");
  await agent.request(methods.resume, { sessionId: id, cwd, mcpServers: [] });
  await announced;
  assert.deepEqual(heard.updates.map((update) => update.sessionUpdate), ["available_commands_update"], "resuming tells nothing again");
  await agent.request(methods.delete, { sessionId: id });
  assert.deepEqual((await agent.request(methods.list, { cwd })).sessions, []);
});

// A server of tools that the client brings along, and commands that are typed.
const shell = JSON.parse(shellServer);
const kept = await connected(async (agent, heard) => {
  const hello = await start(agent);
  const { http, sse } = hello.agentCapabilities.mcpCapabilities;
  assert.deepEqual([http, sse], [false, false]);
  const far = { type: "http", name: "far", url: "https://example.com", headers: [] };
  await fails(agent.request(methods.new, { cwd, mcpServers: [shell, far] }), -32602);

  const broken = { name: "broken", command: "/nowhere/at-all", args: [], env: [] };
  const announced = seen(heard, (update) => update.sessionUpdate === "available_commands_update");
  const warned = seen(heard, (update) => update.title === "The MCP server `broken` does not run");
  const { sessionId } = await agent.request(methods.new, { cwd, mcpServers: [shell, broken] });
  await announced;
  await warned;
  const [{ availableCommands }] = of(heard, "available_commands_update");
  const named = (name) => availableCommands.find((command) => command.name === name);
  assert.deepEqual(named("rename"), { name: "rename", description: "give the session a title", input: { hint: "TITLE" } });
  assert.equal(named("status").input ?? null, null);
  assert.equal(named("detach"), undefined, "an editor has other ways to leave");

  heard.answer = () => chosen("allow");
  const heardBack = await agent.request(methods.prompt, { sessionId, prompt: say("Call it") });
  assert.equal(heardBack.stopReason, "end_turn");
  assert.deepEqual(heard.asked.map((asked) => asked.options.map((option) => option.kind)), [["allow_once", "reject_once"]]);
  const [call] = of(heard, "tool_call");
  assert.equal(call.name, "mcp__shell__token");
  const last = of(heard, "tool_call_update").at(-1);
  assert.equal(last.status, "completed");
  const result = JSON.stringify(last.content);
  assert.ok(result.includes(` from ${cwd} with []`), result);
  assert.ok(!result.includes("not-for-the-record"), result);
  assert.equal(text(heard, "agent_message_chunk"), "Heard.");

  // No model is asked about a command: the script has nothing more to say.
  const typed = async (line) => {
    heard.updates = [];
    const { stopReason } = await agent.request(methods.prompt, { sessionId, prompt: say(line) });
    assert.equal(stopReason, "end_turn");
    return text(heard, "agent_message_chunk");
  };
  assert.equal(await typed("/rename The shell"), "");
  assert.deepEqual(of(heard, "session_info_update").map((update) => update.title), ["The shell"]);
  assert.match(await typed("/help rename"), /^```\n\/rename TITLE: give the session a title\n/);
  assert.equal(await typed("/renam It"), "there is no command `/renam`; did you mean `/rename`?; `/help` shows those there are\n");
  assert.equal(await typed("/thinking high"), "");
  const [{ configOptions }] = of(heard, "config_option_update");
  assert.equal(configOptions.find((option) => option.id === "thinking").currentValue, "high");
  assert.equal(await typed("/detach"), "An editor leaves a session by closing it.\n");
  await fails(agent.request(methods.prompt, { sessionId, prompt: say("/continue") }), -32600);
  const servers = "query($id: ID!) { session(id: $id) { mcpServers { name state source { layer } } } }";
  const { data } = await agent.request("_glasswork/query", { query: servers, variables: { id: sessionId } });
  assert.deepEqual(data.session.mcpServers, [
    { name: "broken", state: "FAILED", source: { layer: "CLIENT" } },
    { name: "shell", state: "READY", source: { layer: "CLIENT" } },
  ]);

  // While it is open it keeps the servers that it has.
  heard.updates = [];
  const refused = seen(heard, (update) => update.title === "MCP servers were not started");
  await agent.request(methods.resume, { sessionId, cwd, mcpServers: [shell, { ...shell, name: "late" }] });
  await refused;
  assert.match(of(heard, "notice")[0].description, /^late: /);
  return sessionId;
}, toolModel);

// Opened again it has those that are named then.
await connected(async (agent, heard) => {
  await start(agent);
  await agent.request(methods.load, { sessionId: kept, cwd, mcpServers: [{ ...shell, name: "other" }] });
  heard.answer = () => chosen("allow");
  heard.updates = [];
  const again = await agent.request(methods.prompt, { sessionId: kept, prompt: say("Call the other") });
  assert.equal(again.stopReason, "end_turn");
  assert.equal(of(heard, "tool_call_update").at(-1).status, "completed");
  assert.equal(text(heard, "agent_message_chunk"), "Heard again.");
}, toolModel);

console.log("done");
