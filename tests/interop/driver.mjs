// What the drivers share: requests as JSON lines on stdin, answers as JSON lines on stdout.
import { createInterface } from "node:readline";

/** Answers each line `{"do": name, "with": argument}` with `{"result": ...}` or `{"thrown": ...}`. */
export async function drive(actions) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, with: argument } = JSON.parse(line);
    let said;
    try {
      said = { result: (await actions[name](argument)) ?? null };
    } catch (error) {
      said = { thrown: String(error?.message ?? error) };
    }
    process.stdout.write(JSON.stringify(said) + "\n");
  }
}

/** What a client does, by the names that both SDKs give it. */
export function actionsOf(client) {
  return {
    tools: () => client.listTools(),
    call: ({ name, arguments: given }) => client.callTool({ name, arguments: given }),
    prompts: () => client.listPrompts(),
    prompt: (argument) => client.getPrompt(argument),
    resources: () => client.listResources(),
    templates: () => client.listResourceTemplates(),
    read: (argument) => client.readResource(argument),
    complete: (argument) => client.complete(argument),
    person: (says) => (person.says = says),
    questions: () => person.questions.splice(0),
    close: () => client.close(),
  };
}

/** Whoever sits before the client: what they say to the next questions, and what they were asked. */
const person = { says: { action: "cancel" }, questions: [] };
export function reply({ params }) {
  person.questions.push(params.message);
  return person.says;
}
export const somebody = process.env.PERSON === "somebody";
export const capabilities = somebody ? { elicitation: {} } : {};
export const info = { name: "interop", version: "1" };
/** Where the server is: the address of one on HTTP, or the command that starts one on stdio. */
export const server = JSON.parse(process.env.SERVER);
