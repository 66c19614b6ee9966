// The TypeScript SDK's client at an address with many servers behind it: all that it can do there, printed as JSON.
//
//   all_as_one.mjs VERSION URL FOLDER
//
// VERSION is that of the SDK, 1 or 2; it is looked for in MCPT_CLIENTS.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [version, url, folder] = process.argv.slice(2);
const require = createRequire(join(process.env.MCPT_CLIENTS, 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)));

async function sdk() {
  if (version === '2') {
    return load('@modelcontextprotocol/client');
  }
  const [client, transport, types] = await Promise.all(
    ['client/index.js', 'client/streamableHttp.js', 'types.js'].map((file) => load(`@modelcontextprotocol/sdk/${file}`)),
  );
  return { ...types, ...client, ...transport };
}

const { Client, StreamableHTTPClientTransport, ElicitRequestSchema, CreateMessageRequestSchema } = await sdk();
const texts = (result) => result.content.map((part) => part.text);

async function look() {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: {}, sampling: {} } },
  );
  const greet = async () => ({ action: 'accept', content: { name: 'Ada' } });
  const sample = async () => ({ role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'test' });
  client.setRequestHandler(version === '2' ? 'elicitation/create' : ElicitRequestSchema, greet);
  client.setRequestHandler(version === '2' ? 'sampling/createMessage' : CreateMessageRequestSchema, sample);
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const call = (name, args, options) =>
    version === '2'
      ? client.callTool({ name, arguments: args ?? {} }, options)
      : client.callTool({ name, arguments: args ?? {} }, undefined, options);
  const seen = {};
  const known = new Set((await client.listTools()).tools.map((tool) => tool.name));
  const wanted = ['demo_echo', 'everything_echo', 'filesystem_list_directory', 'eras_greet', 'time_get_current_time'];
  seen.lacks = wanted.filter((name) => !known.has(name));
  seen.demo = texts(await call('demo_echo', { message: 'café ✓' }));
  seen.everything = texts(await call('everything_echo', { message: 'hi' }));
  seen.time = (await call('time_get_current_time', { timezone: 'UTC' })).isError ?? false;
  seen.filesystem = texts(await call('filesystem_list_directory', { path: folder }));
  const refused = await call('filesystem_list_directory', { path: '/' });
  seen.error = [(await call('demo_fail')).isError, refused.isError];
  let steps = 0;
  await call('demo_slow', { seconds: 0.1 }, { onprogress: () => (steps += 1) });
  seen.progress = steps > 0;
  seen.greet = texts(await call('eras_greet'));
  seen.sample = texts(await call('eras_sample'));
  const prompt = await client.getPrompt({ name: 'eras_hello', arguments: { name: 'Ada' } });
  seen.prompt = prompt.messages.map((message) => message.content.text);
  const { resources } = await client.listResources();
  const read = await client.readResource({ uri: resources.find((resource) => resource.name === 'note').uri });
  seen.resource = read.contents.map((part) => part.text);
  const cancelled = new AbortController();
  const waiting = call('eras_wait', {}, { signal: cancelled.signal }).catch(() => undefined);
  while (texts(await call('eras_waiting'))[0] !== '1');
  cancelled.abort();
  await waiting;
  while (texts(await call('eras_waiting'))[0] !== '0');
  seen.cancel = true;
  await client.close();
  return seen;
}

// The second time it comes back.
await look();
console.log(JSON.stringify(await look()));
process.exit(0);
