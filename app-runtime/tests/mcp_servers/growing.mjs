// A server of tools by the protocol's own library. It speaks each version that the library does, and has another tool
// once it was asked for one.

import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const picture =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';

serveStdio(() => {
  const server = new McpServer({ name: 'growing', version: '1.0.0' });
  server.registerTool('grow', { description: 'Adds a tool.', inputSchema: z.object({ name: z.string() }) }, ({ name }) => {
    server.registerTool(name, { description: 'Shows something.', inputSchema: z.object({}) }, () => ({
      content: [
        { type: 'text', text: `${name} was called` },
        { type: 'image', data: picture, mimeType: 'image/png' },
        { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' },
        { type: 'resource_link', uri: 'file:///notes.txt', name: 'notes', mimeType: 'text/plain' },
        { type: 'resource', resource: { uri: 'x://three', text: 'words' } },
      ],
    }));
    return { content: [{ type: 'text', text: 'grown' }] };
  });
  return server;
});
