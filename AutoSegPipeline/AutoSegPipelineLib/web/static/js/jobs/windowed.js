// A long table of which only what is in view is there: rows of any height between two gaps.

const AROUND_PX = 500; // drawn above and below what is seen
const GUESS_PX = 64;

/** `draw(first, last)` gives the rows of those places, null where one is not known yet; `missing(first, last)` fetches them. */
export class Windowed {
  constructor(scroller, body, { draw, missing }) {
    this.scroller = scroller;
    this.body = body;
    this.callbacks = { draw, missing };
    this.total = 0;
    this.heights = new Map(); // by key of a row, so that they survive a new order
    this.keys = []; // by place, where it is known
    this.shown = []; // rows in the table
    this.held = null; // the row that stays where it is when the order changes
    this.above = gap();
    this.below = gap();
    body.append(this.above, this.below);
    scroller.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(scroller);
  }

  get guess() {
    if (!this.heights.size) return GUESS_PX;
    let sum = 0;
    for (const height of this.heights.values()) sum += height;
    return sum / this.heights.size;
  }

  later() {
    if (this.asked) return;
    this.asked = true;
    const go = () => { if (this.asked) { this.asked = false; this.show(); } };
    requestAnimationFrame(go);
    setTimeout(go, 500); // a tab in the background
  }

  /** A new order, with its `keys` by place as far as they are known: heights and the view stay with their rows. */
  forget(total, keys) {
    this.held ??= this.topRow();
    this.total = total;
    this.keys = keys;
  }

  /** The first row in view and how far it is below the upper edge; null at the top, where new rows are to be seen. */
  topRow() {
    if (this.scroller.scrollTop < 1) return null;
    const edge = this.scroller.getBoundingClientRect().top;
    for (const { key, element } of this.shown) {
      const { top, bottom } = element.getBoundingClientRect();
      if (element.isConnected && bottom > edge) return { key, below: top - edge };
    }
    return null;
  }

  /** Scroll so that the row that was at the top is there again. */
  hold({ key, below }) {
    const row = this.shown.find((one) => one.key === key);
    if (row) this.scroller.scrollTop += row.element.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - below;
  }

  toTop() {
    this.scroller.scrollTop = 0;
  }

  /** [place, pixels above it] of what stands at `y`. */
  placeAt(y, guess) {
    let sum = 0;
    for (let place = 0; place < this.total; place += 1) {
      const height = this.heights.get(this.keys[place]) ?? guess;
      if (sum + height > y) return [place, sum];
      sum += height;
    }
    return [Math.max(0, this.total - 1), sum];
  }

  /** The places that are in view, and some around them. */
  range(top = this.scroller.scrollTop) {
    const guess = this.guess;
    const [first] = this.placeAt(top - AROUND_PX, guess);
    const [last] = this.placeAt(top + this.scroller.clientHeight + AROUND_PX, guess);
    return [first, Math.min(this.total, last + 1)];
  }

  show() {
    const { held } = this;
    this.held = null;
    const place = held ? this.keys.indexOf(held.key) : -1;
    const [first, last] = place < 0 ? this.range() : this.range(this.sum(0, place, this.guess) - held.below);
    const rows = this.callbacks.draw(first, last);
    let from = 0;
    while (from < rows.length && !rows[from]) from += 1;
    let to = from;
    while (to < rows.length && rows[to]) to += 1;
    const shown = rows.slice(from, to);
    this.put(shown);
    this.shown = shown;
    shown.forEach(({ key, element }, index) => {
      this.keys[first + from + index] = key;
      const height = element.offsetHeight;
      if (height) this.heights.set(key, height);
    });
    if (this.heights.size > 5000) this.heights = new Map([...this.heights].slice(-2500));
    const guess = this.guess;
    size(this.above, this.sum(0, first + from, guess));
    size(this.below, this.sum(first + to, this.total, guess));
    if (place >= 0) this.hold(held);
    if (to < rows.length || from > 0) this.callbacks.missing(first, last);
  }

  /** Exactly these rows, in this order; what stays is not moved, so that focus stays too. */
  put(shown) {
    const wanted = new Set(shown.map(({ element }) => element));
    for (const one of [...this.body.children]) if (one !== this.above && one !== this.below && !wanted.has(one)) one.remove();
    let previous = this.above;
    for (const { element } of shown) {
      if (previous.nextSibling !== element) {
        const focused = element.contains(document.activeElement) ? document.activeElement : null;
        this.body.insertBefore(element, previous.nextSibling);
        focused?.focus({ preventScroll: true });
      }
      previous = element;
    }
  }

  sum(from, to, guess) {
    let sum = 0;
    for (let place = from; place < to; place += 1) sum += this.heights.get(this.keys[place]) ?? guess;
    return sum;
  }
}

function gap() {
  const row = document.createElement("tr");
  row.className = "gap";
  row.setAttribute("aria-hidden", "true");
  const cell = document.createElement("td");
  cell.colSpan = 5;
  row.append(cell);
  return row;
}

function size(row, pixels) {
  row.hidden = pixels < 1;
  row.firstChild.style.height = `${Math.round(pixels)}px`;
}
