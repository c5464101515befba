// Live speech through the AI SDK, over ws:// and with the key in the subprotocol. Prints JSON.
// node stream.mjs ADDRESS AUDIO: 16-bit at 24 kHz
import { readFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { experimental_streamTranscribe as streamTranscribe } from "ai";

const [address, file] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: `http://${address}/v1`, apiKey: "secret" });
const audio = readFileSync(file);
const PIECE = 2400; // bytes of 50 ms

const result = streamTranscribe({
  model: openai.transcription("gpt-realtime-whisper"),
  inputAudioFormat: { type: "audio/pcm", rate: 24000 },
  audio: new ReadableStream({
    start(controller) {
      for (let at = 0; at < audio.length; at += PIECE) controller.enqueue(audio.subarray(at, at + PIECE));
      controller.close();
    },
  }),
});
const parts = [];
for await (const part of result.fullStream) parts.push(part);
console.log(JSON.stringify(parts.map(({ type, delta, text }) => ({ type, delta, text }))));
