// A page to try queries on. The token is kept in this variable and nowhere else: a reload forgets it. What comes from
// the graph is written as text, never as markup.
'use strict';

let token = '';
let socket = null;

const at = (id) => document.getElementById(id);
const say = (text) => { at('state').textContent = text; };

// Most characters that the answer of a subscription keeps on the page.
const KEPT = 200000;

async function ask(query, variables) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: {
      'Accept': 'application/graphql-response+json',
      'Authorization': 'Bearer ' + token,
      'Content-Type': 'application/json',
    },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, body: await response.json() };
}

const INTROSPECTION = `{ __schema { types { kind name description
  fields { name description args { name type { ...type } } type { ...type } }
  inputFields { name description type { ...type } }
  enumValues { name description } possibleTypes { name } } } }
fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

function typeText(type) {
  if (type.kind === 'NON_NULL') return typeText(type.ofType) + '!';
  if (type.kind === 'LIST') return '[' + typeText(type.ofType) + ']';
  return type.name;
}

let types = [];

function describe(type) {
  const lines = [type.kind.toLowerCase() + ' ' + type.name + (type.description ? '  # ' + type.description : '')];
  const fields = (type.fields || []).concat(type.inputFields || []);
  for (const field of fields) {
    const args = (field.args || []).map((arg) => arg.name + ': ' + typeText(arg.type)).join(', ');
    lines.push('  ' + field.name + (args ? '(' + args + ')' : '') + ': ' + typeText(field.type)
      + (field.description ? '  # ' + field.description : ''));
  }
  for (const value of type.enumValues || []) lines.push('  ' + value.name);
  for (const value of type.possibleTypes || []) lines.push('  | ' + value.name);
  return lines.join('\n');
}

function showSchema() {
  const wanted = at('find').value.toLowerCase();
  const shown = types.filter((type) => type.toLowerCase().includes(wanted));
  at('schema').textContent = shown.join('\n\n') || 'Nothing is called so.';
}

async function look(event) {
  event.preventDefault();
  token = at('token').value.trim();
  at('token').value = '';
  try {
    const { status, body } = await ask(INTROSPECTION, null);
    if (status !== 200) {
      say(body.errors[0].message);
      return;
    }
    types = body.data.__schema.types.filter((type) => !type.name.startsWith('__')).map(describe);
    showSchema();
    say('Here.');
  } catch (error) {
    say('The host does not answer: ' + error.message);
  }
}

function stop() {
  if (socket) socket.close(1000);
  socket = null;
  at('stop').disabled = true;
}

function subscribe(query, variables) {
  const answer = at('answer');
  const opened = new WebSocket('ws://' + location.host + '/graphql', 'graphql-transport-ws');
  socket = opened;
  at('stop').disabled = false;
  answer.textContent = '';
  const add = (text) => { answer.textContent = (answer.textContent + text + '\n').slice(-KEPT); };
  opened.onopen = () => opened.send(JSON.stringify({ type: 'connection_init', payload: { token } }));
  opened.onclose = (event) => { add('-- ended: ' + event.code + ' ' + event.reason); stop(); };
  opened.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === 'connection_ack') {
      opened.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
    } else if (message.type === 'ping') {
      opened.send(JSON.stringify({ type: 'pong' }));
    } else if (message.type === 'next' || message.type === 'error') {
      add(JSON.stringify(message.payload, null, 2));
    } else if (message.type === 'complete') {
      stop();
    }
  };
}

async function run() {
  stop();
  const query = at('query').value;
  let variables = null;
  try {
    variables = JSON.parse(at('variables').value.trim() || '{}');
  } catch (error) {
    say('The variables are no JSON: ' + error.message);
    return;
  }
  if (/^\s*(#.*\n\s*)*subscription\b/.test(query)) {
    subscribe(query, variables);
    return;
  }
  try {
    const { status, body } = await ask(query, variables);
    at('answer').textContent = JSON.stringify(body, null, 2);
    say('Status ' + status);
  } catch (error) {
    say('The host does not answer: ' + error.message);
  }
}

at('who').addEventListener('submit', look);
at('find').addEventListener('input', showSchema);
at('ask').addEventListener('click', run);
at('stop').addEventListener('click', stop);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.ctrlKey) run();
});
