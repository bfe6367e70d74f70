// The TypeScript SDK 1.x as a client; it throws when an answer does not match its output schema.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { actionsOf, capabilities, drive, info, reply, server, somebody } from "./driver.mjs";

const transport = server.url
  ? new StreamableHTTPClientTransport(new URL(server.url))
  : new StdioClientTransport({ ...server, stderr: "ignore" });
// The SDK tells the revision to its transport only.
let era;
const told = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (revision) => {
  era = revision;
  told?.(revision);
};

const client = new Client(info, { capabilities });
if (somebody) client.setRequestHandler(ElicitRequestSchema, reply);
await client.connect(transport);
await drive({ ...actionsOf(client), era: () => era });
