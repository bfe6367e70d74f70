// The TypeScript SDK 2.x as a client, on either revision of the protocol.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { actionsOf, capabilities, drive, info, reply, server, somebody } from "./driver.mjs";

const client = new Client(info, {
  capabilities,
  versionNegotiation: { mode: process.env.ERA === "modern" ? { pin: "2026-07-28" } : "legacy" },
});
if (somebody) client.setRequestHandler("elicitation/create", reply);
await client.connect(
  server.url
    ? new StreamableHTTPClientTransport(new URL(server.url))
    : new StdioClientTransport({ ...server, stderr: "ignore" }),
);
await drive({ ...actionsOf(client), era: () => client.getNegotiatedProtocolVersion() });
