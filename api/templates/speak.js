// The microphone of the start page: what the browser records goes to /stt/stream as it is, and the
// text is shown, what may still change in another colour.
const button = document.getElementById("speak");
const key = document.getElementById("key"); // there where keys are on
const said = document.getElementById("said");
const trouble = document.getElementById("trouble");
let recorder = null;

async function address() {
  const url = new URL("stt/stream?encoding=auto&auto_chunk=1", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  if (key) {
    const headers = { Authorization: `Bearer ${key.value}` };
    const answer = await fetch("stt/ticket", { method: "POST", headers });
    if (!answer.ok) throw new Error(answer.status === 401 ? "This key is not valid." : answer.statusText);
    url.searchParams.set("ticket", (await answer.json()).ticket);
  }
  return url;
}

async function begin() {
  const devices = navigator.mediaDevices;
  if (!devices) throw new Error("Browsers give the microphone to https:// and to this machine alone.");
  const to = await address();
  const microphone = await devices.getUserMedia({ audio: true });
  const socket = new WebSocket(to);
  const mine = new MediaRecorder(microphone);
  const lines = new Map(); // by chunk: an utterance each
  let heard = false; // something after the last final
  recorder = mine;
  socket.onopen = () => {
    mine.start(100);
    button.textContent = "Stop";
    button.disabled = false;
  };
  mine.ondataavailable = ({ data }) => socket.send(data);
  mine.onstop = () => {
    for (const track of microphone.getTracks()) track.stop();
    socket.send('{"type": "finalize_chunk"}');
    if (!heard) socket.close();
  };
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (event.type === "error") trouble.textContent = event.message;
    if (event.type === "chunk") heard = true;
    if (event.type !== "transcript") return;
    if (!lines.has(event.chunk_id)) lines.set(event.chunk_id, line());
    show(lines.get(event.chunk_id), event);
    if (!event.is_final) return;
    heard = false;
    if (mine.state === "inactive") socket.close();
  };
  socket.onclose = ({ code, reason }) => {
    for (const track of microphone.getTracks()) track.stop();
    mine.ondataavailable = mine.onstop = null;
    if (mine.state !== "inactive") mine.stop();
    if (code !== 1000 && code !== 1005) trouble.textContent ||= reason || "The connection was refused or lost.";
    rest();
  };
}

function line() {
  const paragraph = said.appendChild(document.createElement("p"));
  paragraph.append(document.createElement("span"), document.createElement("i"));
  return paragraph;
}

function show({ firstChild: certain, lastChild: open }, { text, is_final, committed = "" }) {
  certain.textContent = is_final ? text : committed;
  open.textContent = is_final ? "" : text.slice(committed.length);
}

function rest() {
  recorder = null;
  button.textContent = "Speak";
  button.disabled = false;
}

button.onclick = async () => {
  if (recorder) {
    button.disabled = true; // until the last text is there
    recorder.stop();
    return;
  }
  trouble.textContent = "";
  button.disabled = true;
  try {
    await begin();
  } catch (error) {
    trouble.textContent = error.message;
    rest();
  }
};
document.getElementById("live").hidden = false;
