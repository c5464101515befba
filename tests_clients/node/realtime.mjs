// What an application does with the `connection` of docs/clients.md: settings, audio, events.
// Reads 16-bit audio at 24 kHz from a file; prints the events as JSON.
import { readFileSync } from "node:fs";

const audio = readFileSync(process.argv[2]);
const events = [];
const PIECE = 2400; // bytes of 50 ms

connection.socket.on("open", () => {
  const input = {
    format: { type: "audio/pcm", rate: 24000 },
    transcription: { model: "gpt-transcribe", language: "en" },
    turn_detection: { type: "server_vad", silence_duration_ms: 500 },
  };
  connection.send({ type: "session.update", session: { type: "transcription", audio: { input } } });
  for (let at = 0; at < audio.length; at += PIECE) {
    const piece = audio.subarray(at, at + PIECE).toString("base64");
    connection.send({ type: "input_audio_buffer.append", audio: piece });
  }
});
connection.on("event", (event) => {
  events.push(event);
  if (events.filter((one) => one.type.endsWith("transcription.completed")).length === 2) {
    connection.close();
  }
});
connection.socket.on("close", () => console.log(JSON.stringify(events)));
