// The data of the page, and times as text. Times are microseconds.
//
// `page.rs` puts this file, `draw.js` and `use.js` into one function, in this order.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const { kinds, markKinds, texts } = data;
const MINUTE = 60e6, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const NEAR = 10, PILL = 30, DENSE = 40;
const whole = { from: data.from, until: Math.max(data.until, data.from + 1) };
const view = { ...whole };
const dark = matchMedia('(prefers-color-scheme: dark)');
let printing = false;
const lanes = data.lanes.map(unpack);
let chosen = null;

// From differences in flat lists to times in typed lists, which are searched by halves.
function unpack(lane, index) {
  const spans = [], marks = [];
  for (let i = 0, end = 0; i < lane.spans.length; i += 5) {
    const [gap, length, kind, run, text] = lane.spans.slice(i, i + 5);
    spans.push({ from: end + gap, until: end + gap + length, kind, run, text });
    end += gap + length;
  }
  for (let i = 0, at = 0; i < lane.marks.length; i += 5) {
    const [gap, kind, run, text, lines] = lane.marks.slice(i, i + 5);
    at += gap;
    marks.push({ at, kind, run, text, lines });
  }
  const isBad = marks.some((mark) => markKinds[mark.kind][2] >= 3);
  return { index, name: lane.name, after: lane.after, spans, marks, isBad, at: -1 };
}

// The first index whose value is not below.
function search(list, value, of) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(list[middle]) < value) low = middle + 1; else high = middle;
  }
  return low;
}

// ---- times as text

const pad = (number, digits = 2) => String(number).padStart(digits, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function span(us) {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${+(us / 1e3).toPrecision(3)} ms`;
  if (us < MINUTE) return `${+(us / 1e6).toPrecision(3)} s`;
  const parts = [[us / DAY, 'd'], [us % DAY / HOUR, 'h'], [us % HOUR / MINUTE, 'min'], [us % MINUTE / 1e6, 's']];
  return parts.map(([n, unit]) => [Math.floor(n + 1e-9), unit]).filter(([n]) => n > 0).map((p) => p.join(' ')).join(' ');
}

function ofDay(us, digits) {
  const date = new Date(data.zero + us / 1000);
  const time = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
  if (digits < 0) return time;
  const seconds = `${time}:${pad(date.getUTCSeconds())}`;
  return digits ? `${seconds}.${pad(date.getUTCMilliseconds(), 3)}` : seconds;
}

function day(us) {
  const date = new Date(data.zero + us / 1000);
  return `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}`;
}

// A time, as exact as the view needs it.
function time(us) {
  const length = view.until - view.from;
  if (data.zero === null) {
    return length < MINUTE && us >= MINUTE ? `${span(us)} ${pad(Math.floor(us % 1e6 / 1e3), 3)} ms` : span(us);
  }
  const text = ofDay(us, length < 10 * MINUTE ? 3 : 0);
  return whole.until - whole.from < 12 * HOUR ? text : `${day(us)} ${text}`;
}

const STEPS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((n) => [n, 2 * n, 5 * n]).filter((n) => n < 2e7)
  .concat([10e6, 15e6, 30e6], [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), [1, 2, 3, 6, 12].map((n) => n * HOUR),
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map((n) => n * DAY));

function ticks(width) {
  const length = view.until - view.from;
  const step = STEPS.find((step) => length / step <= width / 96) ?? STEPS.at(-1);
  // Round on the clock on the wall, if it is known. A day is added so that zero is not in the way.
  const zero = data.zero === null ? 0 : (data.zero * 1000) % DAY;
  const first = Math.ceil((view.from + zero) / step) * step - zero;
  const found = [];
  for (let at = first; at <= view.until; at += step) {
    let label;
    const isDay = data.zero !== null && Math.abs(((at + zero) % DAY + DAY) % DAY) < 1;
    if (data.zero === null) label = at === 0 ? '0' : step < 1e6 && at >= MINUTE ? `${span(at)} ${Math.round(at % 1e6 / 1e3)} ms` : span(at);
    else if (isDay) label = day(at);
    else label = ofDay(at, step >= MINUTE ? -1 : step >= 1e6 ? 0 : 3);
    found.push({ at, label, isDay });
  }
  return found;
}
