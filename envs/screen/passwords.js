// Runs in a world of its own in every frame of every page: finds password fields, and where they lie on the screen.
(() => {
  if (globalThis.look) return;
  const KIND = 'input[type=password], input[autocomplete~="current-password"], input[autocomplete~="new-password"]';
  const numbers = new Map(); // of fields; one that was a password field once stays one ("show password")

  function isSecret(field) {
    if (!(field instanceof HTMLInputElement)) return false;
    if (field.matches(KIND) && !numbers.has(field)) numbers.set(field, numbers.size + 1);
    return numbers.has(field);
  }

  function focused() {
    let field = document.activeElement;
    while (field?.shadowRoot?.activeElement) field = field.shadowRoot.activeElement;
    return field;
  }

  // Where this frame lies in the page, in CSS px; null in a frame of another site.
  function offset() {
    let x = 0, y = 0;
    try {
      for (let frame = window; frame !== frame.top; frame = frame.parent) {
        const box = frame.frameElement.getBoundingClientRect();
        x += box.left + frame.frameElement.clientLeft;
        y += box.top + frame.frameElement.clientTop;
      }
    } catch { return null; }
    return [x, y];
  }

  // Boxes in px of the screen that hold the field wherever the page lies in its window, below, beside or above bars,
  // and whether the ratio of px is the page's zoom or the screen's.
  function boxes(field) {
    const box = field.getBoundingClientRect(), place = offset(), ratio = devicePixelRatio;
    if (!box.width || !box.height || box.bottom < 0 || box.top > innerHeight) return [];
    if (!place) return [1, ratio].map(scale => [screenX, screenY, screenX + outerWidth, screenY + outerHeight].map(v => v * scale));
    const [x, y] = place, page = window.top;
    return [[ratio, 1], [1, ratio]].map(([zoom, scale]) => [
      screenX + (x + box.left) * zoom,
      screenY + (y + box.top) * zoom,
      screenX + (x + box.right) * zoom + Math.max(outerWidth - page.innerWidth * zoom, 0),
      screenY + (y + box.bottom) * zoom + Math.max(outerHeight - page.innerHeight * zoom, 0),
    ].map(v => v * scale));
  }

  globalThis.look = () => {
    document.querySelectorAll(KIND).forEach(isSecret);
    const secret = document.hasFocus() && isSecret(focused());
    const seen = [];
    for (const [field, number] of numbers) {
      if (!field.isConnected) numbers.delete(field);
      else if (document.visibilityState === 'visible') boxes(field).forEach((box, index) => seen.push([number * 2 + index, ...box]));
    }
    return { secret, seen };
  };

  for (const kind of ['focusin', 'focusout', 'keydown', 'input']) {
    addEventListener(kind, event => { if (isSecret(event.composedPath()[0])) globalThis.touched?.(kind); }, true);
  }
})();
