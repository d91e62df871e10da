// Runs before anything in a page: time passes only when `__advance` is called, chance follows from a seed, and nothing
// moves by itself, opens a window of its own, or waits for a person. SEED is put in where this is sent.
(() => {
  "use strict";
  const later = window.setTimeout.bind(window);
  const start = Date.UTC(2020, 0, 1, 12), RealDate = Date, frameMs = 1000 / 60, mostCalls = 10000;
  let now = 0, lastId = 0, timers = new Map(), frames = new Map();

  // Timers, in order of time and then of age.
  const add = (run, delay, args, every) => {
    const code = typeof run === "function" ? run : () => (0, eval)(String(run));
    const wait = Math.max(1, Number(delay) || 0);
    timers.set(++lastId, { at: now + wait, id: lastId, run: () => code(...args), every: every ? wait : 0 });
    return lastId;
  };
  const next = (until) => {
    let first = null;
    for (const timer of timers.values())
      if (timer.at <= until && (!first || timer.at < first.at || (timer.at === first.at && timer.id < first.id))) first = timer;
    return first;
  };
  const call = (run, ...args) => {
    try { run(...args); } catch (error) { reportError(error); }
  };
  const runTimers = async (until) => {
    let timer;
    for (let calls = 0; calls < mostCalls && (timer = next(until)); calls++) {
      now = Math.max(now, timer.at);
      if (timer.every) timer.at += timer.every; else timers.delete(timer.id);
      call(timer.run);
      await null;
    }
    now = until;
  };
  const advance = async (ms) => {
    const end = now + ms;
    while (now < end) {
      await runTimers(Math.min(end, (Math.floor(now / frameMs + 1e-6) + 1) * frameMs));
      const due = frames;
      frames = new Map();
      for (const run of due.values()) { call(run, now); await null; }
    }
    for (let i = 0; i < window.frames.length; i++) {
      let inner = null;
      try { inner = window.frames[i].__advance; } catch { continue; } // of another origin: its clock stands still
      if (inner) await inner(ms);
    }
  };
  const define = (object, name, value) => Object.defineProperty(object, name, { value, writable: true, configurable: true });
  Object.defineProperty(window, "__advance", { value: advance });
  // Ends when the browser has done what it had put off, such as to tell that a selection has changed.
  Object.defineProperty(window, "__settle", { value: () => new Promise((done) => later(done, 0)) });
  define(window, "setTimeout", (run, delay, ...args) => add(run, delay, args, false));
  define(window, "setInterval", (run, delay, ...args) => add(run, delay, args, true));
  define(window, "clearTimeout", (id) => { timers.delete(id); });
  define(window, "clearInterval", (id) => { timers.delete(id); });
  define(window, "requestAnimationFrame", (run) => { frames.set(++lastId, run); return lastId; });
  define(window, "cancelAnimationFrame", (id) => { frames.delete(id); });
  define(window, "requestIdleCallback", (run) => add(() => run({ didTimeout: false, timeRemaining: () => 10 }), 1, [], false));
  define(window, "cancelIdleCallback", (id) => { timers.delete(id); });

  // What time it is.
  const today = () => start + Math.floor(now);
  const FakeDate = new Proxy(RealDate, {
    construct: (real, args, target) => Reflect.construct(real, args.length ? args : [today()], target),
    apply: () => new RealDate(today()).toString(),
    get: (real, name) => (name === "now" ? today : Reflect.get(real, name)),
  });
  RealDate.prototype.constructor = FakeDate;
  define(window, "Date", FakeDate);
  define(Performance.prototype, "now", () => now);
  Object.defineProperty(Performance.prototype, "timeOrigin", { get: () => start });
  Object.defineProperty(Event.prototype, "timeStamp", { get: () => now });

  // Chance: mulberry32.
  let state = SEED >>> 0;
  const draw = () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
  define(Math, "random", draw);
  define(Crypto.prototype, "getRandomValues", (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(256 * draw());
    return array;
  });

  // Nobody is there to answer, and other windows are not seen.
  for (const [name, answer] of [["alert", undefined], ["confirm", false], ["prompt", null], ["open", null], ["print", undefined]])
    define(window, name, () => answer);
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "WebTransport"]) delete window[name];
  window.addEventListener("dragstart", (event) => event.preventDefault(), true);
  // Under Linux the middle button pastes what is selected anywhere, whenever that has been copied.
  window.addEventListener("mouseup", (event) => { if (event.button === 1) event.preventDefault(); }, true);
  window.addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), true);

  // Nothing moves by itself; lists of choices unfold within the page, where a picture shows them.
  const style = new CSSStyleSheet();
  style.replaceSync(`
    *, *::before, *::after { animation-duration: 0s !important; animation-delay: 0s !important; transition: none !important;
      scroll-behavior: auto !important; caret-animation: manual !important; }
    select:not([multiple]):not([size]), ::picker(select) { appearance: base-select !important; }
    select, option { min-block-size: 0 !important; padding-block: 2px !important; }
    ::-webkit-calendar-picker-indicator { display: none !important; }
    #reward-display, #click-canvas, #sync-task-cover { display: none !important; }
  `);
  document.adoptedStyleSheets.push(style);

  // What lies at a place, and what has the focus, in words: "button#send", "span.tab.open".
  const words = (element) => {
    if (!element) return null;
    const names = (element.getAttribute("class") || "").split(/\s+/).filter(Boolean);
    const name = element.id ? `#${element.id}` : names.map((word) => `.${word}`).join("");
    return (element.localName + name).slice(0, 80);
  };
  // What it is for who uses it: its ARIA role or that of what it is a part of, "dialog" for all that a dialog is worked with.
  const native = { a: "link", button: "button", textarea: "textbox", select: "listbox", option: "option", summary: "button" };
  const inputs = { checkbox: "checkbox", radio: "radio", range: "slider", button: "button", submit: "button", reset: "button" };
  const ownRole = (element) => {
    const told = element.getAttribute("role");
    if (told) return told === "presentation" ? null : told;
    if (element.classList.contains("ui-slider-handle")) return "slider";
    if (element.localName === "label") return element.control ? ownRole(element.control) : null;
    if (element.localName === "input") return inputs[element.type] || "textbox";
    return native[element.localName] || null;
  };
  const controls = new Set([...Object.values(native), ...Object.values(inputs), "tab", "menuitem", "switch"]);
  const role = (element) => {
    let found = null;
    for (; element; element = element.parentElement) {
      const own = ownRole(element);
      if (!found && controls.has(own)) found = own;
      if (found && own === "dialog") return own;
    }
    return found;
  };
  Object.defineProperty(window, "__targets", { value: (x, y) => {
    const below = document.elementFromPoint(x, y);
    return [...[below, document.activeElement].map(words), role(below)];
  } });

  // A wheel: the event, and unless the page refuses it, the scrolling. Chromium's own hangs where frames are made on command.
  const scrolls = (element, dx, dy) => {
    const { overflowX, overflowY } = getComputedStyle(element), before = [element.scrollLeft, element.scrollTop];
    const root = element === document.scrollingElement, free = (overflow) => root || /auto|scroll/.test(overflow);
    element.scrollBy(free(overflowX) ? dx : 0, free(overflowY) ? dy : 0);
    return element.scrollLeft !== before[0] || element.scrollTop !== before[1];
  };
  Object.defineProperty(window, "__wheel", { value: (clientX, clientY, deltaX, deltaY) => {
    let element = document.elementFromPoint(clientX, clientY) || document.documentElement;
    const event = new WheelEvent("wheel", { clientX, clientY, deltaX, deltaY, bubbles: true, cancelable: true, composed: true });
    if (!element.dispatchEvent(event)) return;
    while (element && !scrolls(element, deltaX, deltaY)) element = element.parentElement;
  } });
})();
