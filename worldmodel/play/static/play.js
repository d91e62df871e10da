// The page of `worldmodel play`. One request is under way at a time, so that a slow model slows the game down and
// nothing piles up. What is said over the WebSocket is described in protocol.py.
"use strict";

const $ = (id) => document.getElementById(id);
const NUDGE = 1 / 64;                       // of the range, for one press of an arrow key
const PAIRS = ["qa", "ws", "ed", "rf", "tg", "yh", "uj", "ik"];  // keys up and down, one pair for each joint
const BUTTONS = { left: 1, click: 1, right: 2, middle: 4 };

let socket, game, shown = { at: 0, length: 1 };
let playing = false, policy = false, busy = false, queued = null, due = 0, timer = 0;
let dims = [], action = [], pressed = new Set(), buttons = 0;
let latencies = [], arrivals = [], sentAt = 0;

function connect() {
  socket = new WebSocket(`ws://${location.host}/play`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => typeof event.data === "string" ? told(JSON.parse(event.data)) : arrived(event.data);
  socket.onclose = (event) => {
    setPlaying(false);
    busy = true;  // nothing can be asked any more
    if (!$("status").classList.contains("wrong")) say(`${event.reason || "The connection ended"}: reload the page to play again.`, true);
  };
}

// What the server says.

function told(message) {
  if (message.type === "hello") return begin(message);
  answered();
  if (message.type === "error") { setPlaying(false); say(message.message, true); }
  if (message.type === "clip") say("Clip saved: ", false, message.path, message.url);
  if (message.type === "dataset") say(`${message.episodes} episode${message.episodes > 1 ? "s" : ""}, ${message.frames} frames saved to ${message.path}`);
}

function begin(hello) {
  game = hello;
  document.body.classList.toggle("alone", !game.real);
  $("task").textContent = game.task || `Body: ${game.embodiment}. The dream is all there is here.`;
  for (const id of ["dream", "real", "difference"]) { $(id).width = game.width; $(id).height = game.height; }
  $("steps").value = $("steps-value").value = game.steps;
  $("speed").value = Math.min(30, game.fps);
  showSpeed();
  chooseControls();
  document.body.dataset.ready = "yes";
  say("Ready.");
}

function arrived(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  shown = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const bytes = game.width * game.height * 3, pixels = new Uint8Array(buffer, 4 + size);
  const dream = pixels.subarray(0, bytes), real = pixels.subarray(bytes, 2 * bytes);
  paint("dream", dream);
  if (game.real) {
    paint("real", real);
    paint("difference", dream.map((value, i) => Math.min(255, 2 * Math.abs(value - real[i]))));
  }
  if (shown.action && (policy || !playing)) action = shown.action.slice();
  showMoment();
  answered();
}

function paint(id, rgb) {
  const picture = new ImageData(game.width, game.height), data = picture.data;
  for (let i = 0, j = 0; i < rgb.length; i += 3, j += 4) {
    data[j] = rgb[i]; data[j + 1] = rgb[i + 1]; data[j + 2] = rgb[i + 2]; data[j + 3] = 255;
  }
  $(id).getContext("2d").putImageData(picture, 0, 0);
}

// What the page asks. Of what is asked while it waits, only the last is kept.

function ask(message) {
  if (busy) { queued = message; return; }
  busy = true;
  sentAt = performance.now();
  socket.send(JSON.stringify(message));
}

function answered() {
  const measured = busy && sentAt;
  busy = false;
  if (queued) { const message = queued; queued = null; ask(message); return; }
  if (measured && playing) measure(performance.now());
  if (shown.ended && playing) {
    setPlaying(false);
    say(shown.success ? "Goal reached! Go back in time, or begin another start." : "The end: go back in time, or begin another start.");
  }
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (!playing || busy) return;
  timer = setTimeout(() => {
    const now = performance.now(), gap = 1000 / $("speed").value;
    due = Math.max(now, due + gap);
    ask({ type: "step", action: policy ? null : currentAction(), steps: Number($("steps").value) });
  }, Math.max(0, due - performance.now()));
}

function measure(now) {
  latencies = [...latencies.slice(-99), now - sentAt];
  arrivals = [...arrivals.slice(-19), now];
  const sorted = [...latencies].sort((a, b) => a - b), p95 = sorted[Math.floor(0.95 * (sorted.length - 1))];
  $("latency").textContent = `${(now - sentAt).toFixed(0)} ms`;
  $("latency").title = `95 of 100 frames within ${p95.toFixed(0)} ms`;
  $("latency").dataset.p95 = p95.toFixed(1);
  $("compute").textContent = `${shown.compute_ms.toFixed(0)} ms`;
  if (arrivals.length > 1) $("rate").textContent = ((arrivals.length - 1) * 1000 / (now - arrivals[0])).toFixed(1);
}

// What drives: pointer and buttons where actions are a place in the picture, keys for everything else.

function chooseControls() {
  const [x, y] = game.points.length ? game.points[0] : [-1, -1];
  let pairs = 0;
  dims = game.dims.map((dim, index) => {
    if (index === x) return { ...dim, place: "x" };
    if (index === y) return { ...dim, place: "y" };
    const button = dim.kind === "binary" && Object.keys(BUTTONS).find((name) => dim.name.toLowerCase().includes(name));
    if (button) return { ...dim, button: BUTTONS[button] };
    const key = dim.kind === "binary" && /^key_?(.+)$/i.exec(dim.name);
    if (key) return { ...dim, keys: key[1].toLowerCase() };
    return { ...dim, keys: PAIRS[pairs++] || "" };
  });
  action = dims.map((dim) => dim.place ? (dim.low + dim.high) / 2 : rest(dim));
  const joints = dims.filter((dim) => dim.keys).map((dim) => [dim.kind === "binary" ? dim.keys : [...dim.keys].join(" "), dim.name]);
  const moves = x >= 0 ? [["mouse", "the pusher or pointer"], ["arrows", "the same, on the picture"]] : [];
  keys([...moves, ...joints, ["space", "play, pause, branch"], ["[ ]", "back, on"], ["n", "next start"], ["p", "policy"], ["c", "clip"], ["s", "save data"]]);
  $("hint").textContent = x >= 0 ? "Press and move: the pusher follows" : "Press here, then use the keys";
}

const rest = (dim) => dim.kind === "continuous" ? Math.min(Math.max(0, dim.low), dim.high) : dim.low;

function currentAction() {
  return dims.map((dim, index) => {
    if (dim.place) return action[index];
    if (dim.button) return buttons & dim.button ? dim.high : dim.low;
    if (dim.kind === "binary") return pressed.has(dim.keys) ? dim.high : dim.low;
    const [up, down] = dim.keys || "";
    return pressed.has(up) ? dim.high : pressed.has(down) ? dim.low : rest(dim);
  });
}

function point(event) {
  const box = $("screen").getBoundingClientRect();
  const share = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  dims.forEach((dim, index) => {
    if (dim.place) action[index] = dim.low + Math.min(1, Math.max(0, share[dim.place])) * (dim.high - dim.low);
  });
  buttons = event.buttons;
  showMarks();
}

function nudge(place, sign) {
  dims.forEach((dim, index) => {
    if (dim.place === place) action[index] = Math.min(dim.high, Math.max(dim.low, action[index] + sign * NUDGE * (dim.high - dim.low)));
  });
  showMarks();
  takeOver();
}

function takeOver() {
  setPolicy(false);
  if (!playing) setPlaying(true);
}

// What is shown.

function showMoment() {
  $("line").max = shown.length - 1;
  $("line").value = shown.at;
  $("frame").textContent = `${shown.at} / ${shown.length - 1}`;
  $("number").value = shown.number;
  $("back").disabled = shown.at === 0;
  $("forth").disabled = shown.at === shown.length - 1;
  showPlay();
  showMarks();
}

function showPlay() {
  $("play").textContent = playing ? "Pause" : shown.at < shown.length - 1 ? "Branch here" : "Play";
}

function showMarks() {
  const x = dims.findIndex((dim) => dim.place === "x"), y = dims.findIndex((dim) => dim.place === "y");
  for (const id of ["mark", "mark-real"]) {
    $(id).hidden = x < 0 || (!playing && shown.at === 0);
    if (x < 0) continue;
    $(id).style.left = `${100 * (action[x] - dims[x].low) / (dims[x].high - dims[x].low)}%`;
    $(id).style.top = `${100 * (action[y] - dims[y].low) / (dims[y].high - dims[y].low)}%`;
  }
}

function showSpeed() { $("speed-value").value = `${$("speed").value} frames/s`; }

function setPlaying(on) {
  playing = on;
  if (on) { due = performance.now(); arrivals = []; $("hint").hidden = true; say(policy ? "The policy drives." : "You drive."); }
  showPlay();
  schedule();
}

function setPolicy(on) {
  if (policy === on) return;
  policy = on;
  $("policy").setAttribute("aria-pressed", on);
  if (playing) say(on ? "The policy drives." : "You drive.");
}

function say(text, wrong = false, linkText = "", url = "") {
  $("status").classList.toggle("wrong", wrong);
  $("status").textContent = text;
  if (!url) return;
  const link = document.createElement("a");
  link.href = url; link.textContent = linkText; link.target = "_blank";
  $("status").append(link);
}

function keys(rows) {
  $("keys").replaceChildren(...rows.flatMap(([key, meaning]) => {
    const shownKey = document.createElement("kbd");
    shownKey.textContent = key;
    return [shownKey, ` ${meaning} `];
  }));
}

// Events.

const seek = (frame) => { setPlaying(false); ask({ type: "seek", frame: Math.min(shown.length - 1, Math.max(0, frame)) }); };
const start = (number) => { setPlaying(false); say(`Start ${number}.`); ask({ type: "start", number }); };
const save = (type, words) => { setPlaying(false); say(words); ask({ type }); };
const commands = {
  " ": () => { setPlaying(!playing); if (!playing) say("Paused."); },
  "[": () => seek(shown.at - 1),
  "]": () => seek(shown.at + 1),
  n: () => start(shown.number + 1),
  p: () => { setPolicy(!policy); if (policy && !playing) setPlaying(true); },
  c: () => save("clip", "Saving the clip …"),
  s: () => save("dataset", "Saving the session …"),
};

$("play").onclick = commands[" "];
$("back").onclick = commands["["];
$("forth").onclick = commands["]"];
$("next").onclick = commands.n;
$("policy").onclick = commands.p;
$("clip").onclick = commands.c;
$("dataset").onclick = commands.s;
$("go").onclick = () => start(Math.max(0, Math.floor(Number($("number").value) || 0)));
$("line").oninput = () => seek(Number($("line").value));
$("steps").oninput = () => { $("steps-value").value = $("steps").value; };
$("speed").oninput = () => { due = 0; showSpeed(); };

$("screen").onpointerdown = (event) => {
  $("screen").focus({ preventScroll: true });  // the pointer is where the picture is now
  $("screen").setPointerCapture(event.pointerId);
  point(event);
  takeOver();
};
$("screen").onpointermove = (event) => { if (playing && !policy) point(event); };
$("screen").onpointerup = (event) => { buttons = event.buttons; };
$("screen").oncontextmenu = (event) => event.preventDefault();

const ARROWS = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowUp: ["y", -1], ArrowDown: ["y", 1] };
document.onkeydown = (event) => {
  if (!game || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, target = event.target;
  if (target === $("screen")) {
    if (ARROWS[key] && game.points.length) { event.preventDefault(); nudge(...ARROWS[key]); return; }
    if (dims.some((dim) => dim.keys && (dim.keys === key || (dim.kind !== "binary" && dim.keys.includes(key))))) {
      event.preventDefault(); pressed.add(key); takeOver(); return;
    }
  }
  if (target.tagName === "INPUT" && target.type === "number") return;
  if (key === " " && target.tagName === "BUTTON") return;  // which it presses
  if (commands[key] && !event.repeat) { event.preventDefault(); commands[key](); }
};
document.onkeyup = (event) => pressed.delete(event.key.length === 1 ? event.key.toLowerCase() : event.key);
window.onblur = () => { pressed.clear(); buttons = 0; };
document.onvisibilitychange = () => { if (document.hidden) setPlaying(false); };

connect();
