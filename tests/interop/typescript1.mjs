// The TypeScript SDK 1.x as a client; it throws when an answer does not match its output schema.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { actionsOf, answer, capabilities, drive, info, reply, server } from "./driver.mjs";

const client = new Client(info, { capabilities });
if (answer !== "nobody") client.setRequestHandler(ElicitRequestSchema, () => reply);
await client.connect(
  server.url
    ? new StreamableHTTPClientTransport(new URL(server.url))
    : new StdioClientTransport({ ...server, stderr: "ignore" }),
);
await drive({ ...actionsOf(client), era: () => client.transport.protocolVersion ?? "2025-11-25" });
