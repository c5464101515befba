// Files through the package of Node: formats, the stream, errors, models. Prints JSON.
// node files.mjs ADDRESS CLIP
import fs from "node:fs";
import OpenAI, { BadRequestError, AuthenticationError } from "openai";

const [address, clip] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `http://${address}/v1`, apiKey: "any", maxRetries: 0 });
const wanted = (more) => ({ model: "whisper-1", file: fs.createReadStream(clip), ...more });
const create = (more) => client.audio.transcriptions.create(wanted(more));

const verbose = await create({
  response_format: "verbose_json",
  timestamp_granularities: ["word", "segment"],
});
const events = [];
for await (const event of await create({ stream: true })) events.push(event);
const listed = [];
for await (const model of client.models.list()) listed.push(model.id);
const refused = await client.audio.transcriptions
  .create({ model: "whisper-1", file: new File(["no audio at all"], "a.wav") })
  .catch((error) => error);

console.log(
  JSON.stringify({
    text: await create({ response_format: "text" }),
    vtt: await create({ response_format: "vtt" }),
    verbose,
    events,
    found: (await client.models.retrieve(listed[0])).id === listed[0],
    refused: {
      known: refused instanceof BadRequestError && !(refused instanceof AuthenticationError),
      status: refused.status,
      param: refused.param,
      code: refused.code,
    },
  }),
);
