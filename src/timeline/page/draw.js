// Draws what is visible of the timeline.

const isDark = () => dark.matches && !printing;
const color = (kind) => kinds[kind][isDark() ? 3 : 2];
const colors = () => isDark()
  ? { ink: '#e6ebf2', muted: '#93a0b2', grid: '#242d39', edge: '#4a586a', surface: '#0f141b', bad: '#ff8b9b', good: '#6cb8f5', code: '#ffa23a', signal: '#cf9bf5', warning: '#ffa23a' }
  : { ink: '#1b2430', muted: '#5c6878', grid: '#e2e7ee', edge: '#aab6c4', surface: '#ffffff', bad: '#a3122a', good: '#0b62a8', code: '#b45300', signal: '#7a2fa3', warning: '#f08a24' };
const font = (size) => `${size}px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace`;

function prepare(canvas) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  }
  const cx = canvas.getContext('2d');
  cx.setTransform(ratio, 0, 0, ratio, 0, 0);
  cx.clearRect(0, 0, width, height);
  return { cx, width, height };
}

function drawAxis() {
  const { cx, width, height } = prepare($('axis'));
  const palette = colors();
  let free = 0;
  cx.textBaseline = 'middle';
  for (const { at, label, isDay } of ticks(width)) {
    const x = (at - view.from) / (view.until - view.from) * width;
    cx.font = (isDay ? 'bold ' : '') + font(11);
    cx.fillStyle = isDay ? palette.ink : palette.muted;
    const half = cx.measureText(label).width / 2;
    const left = Math.min(Math.max(x - half, 0), width - 2 * half);
    if (left < free || Math.abs(left + half - x) > half) continue;
    cx.fillText(label, left, height / 2);
    cx.fillStyle = palette.edge;
    cx.fillRect(x, height - 4, 1, 4);
    free = left + 2 * half + 8;
  }
}

// What of a lane can be seen: spans, columns of spans that are too short, and groups of marks.
function visible(lane, width) {
  const scale = width / (view.until - view.from), x = (at) => (at - view.from) * scale;
  const pieces = [], columns = new Map(), groups = [];
  for (let i = search(lane.spans, view.from, (s) => s.until); i < lane.spans.length && lane.spans[i].from <= view.until; i++) {
    const one = lane.spans[i], left = Math.max(x(one.from), -1), right = Math.min(x(one.until), width + 1);
    if (right - left >= 1) pieces.push({ span: one, left, right });
    else {
      const column = Math.floor((left + right) / 4);
      if (!columns.has(column)) columns.set(column, new Map());
      const shares = columns.get(column);
      shares.set(one.kind, (shares.get(one.kind) ?? 0) + one.until - one.from);
    }
  }
  const first = search(lane.marks, view.from, (m) => m.at);
  for (let i = first; i < lane.marks.length && lane.marks[i].at <= view.until;) {
    const left = x(lane.marks[i].at);
    let next = i + 1;
    while (next < lane.marks.length && x(lane.marks[next].at) - left < (next - i > 1 ? PILL : NEAR)) next++;
    groups.push({ x: left, marks: lane.marks.slice(i, next) });
    i = next;
  }
  return { pieces, columns, groups };
}

const worst = (marks) => marks.reduce((a, b) => markKinds[b.kind][2] > markKinds[a.kind][2] ? b : a);

function drawLane(lane) {
  const { cx, width, height } = prepare(lane.canvas);
  const palette = colors(), { pieces, columns, groups } = visible(lane, width);
  const isDense = height < 26 && groups.reduce((sum, group) => sum + group.marks.length, 0) > DENSE;
  const bar = isDense ? height * 0.45 : height - 8, middle = isDense ? 3 + bar / 2 : height / 2;
  cx.fillStyle = palette.grid;
  for (const { at } of ticks(width)) cx.fillRect((at - view.from) / (view.until - view.from) * width, 0, 1, height);
  for (const [column, shares] of columns) {
    const sum = [...shares.values()].reduce((a, b) => a + b, 0) || 1;
    const [only] = shares.size === 1 ? shares.keys() : [];
    let y = only === undefined ? middle - bar / 2 : middle - bar * kinds[only][1] / 2;
    for (const [kind, share] of [...shares].sort((a, b) => a[0] - b[0])) {
      const tall = only === undefined ? bar * share / sum : bar * kinds[kind][1];
      cx.fillStyle = color(kind);
      cx.fillRect(column * 2, y, 2, tall);
      y += tall;
    }
  }
  cx.font = font(10);
  cx.textBaseline = 'middle';
  for (const { span: one, left, right } of pieces) {
    const tall = Math.max(bar * kinds[one.kind][1], 1.5);
    cx.fillStyle = color(one.kind);
    cx.fillRect(left, middle - tall / 2, right - left, tall);
    const label = kinds[one.kind][0], from = Math.max(left, 0) + 8;
    const wide = cx.measureText(label).width;
    const isFree = () => !groups.some((group) => group.x + PILL > from && group.x - NEAR < from + wide);
    if (bar > 14 && tall > 14 && right - from > wide + 12 && isFree()) {
      cx.fillStyle = one.kind === 3 && !isDark() ? '#ffffff' : palette.ink;
      cx.fillText(label, from, middle);
    }
  }
  if (isDense) drawTicks(cx, groups, { width, height, bar, middle }, palette);
  else for (const group of groups) drawGroup(cx, group, middle, Math.min(bar, 15), palette);
}

// For events whose marks would hide the bars. What ends a process for good has its mark.
function drawTicks(cx, groups, { width, height, bar, middle }, palette) {
  const top = middle + bar / 2 + 1.5;
  for (const isBad of [false, true]) {
    cx.fillStyle = isBad ? palette.bad : palette.ink;
    let free = -1;
    for (const { marks } of groups) for (const { at, kind } of marks) {
      const x = (at - view.from) / (view.until - view.from) * width;
      if (markKinds[kind][2] >= 3 !== isBad || x < free) continue;
      cx.fillRect(x, top, 1.2, height - top - 2);
      free = x + 1.2;
    }
  }
  for (const { x, marks } of groups) {
    const mark = worst(marks);
    if (markKinds[mark.kind][2] > 5) drawMark(cx, markKinds[mark.kind][1], x, middle, 5, palette);
  }
}

function drawGroup(cx, { x, marks }, middle, room, palette) {
  const mark = worst(marks), [, form, severity] = markKinds[mark.kind];
  if (marks.length > 1) {
    const text = `×${marks.length < 1e4 ? marks.length : Math.floor(marks.length / 1e3) + 'k'}`;
    cx.font = font(9);
    const wide = cx.measureText(text).width + 6;
    cx.fillStyle = severity >= 3 ? palette.bad : palette.ink;
    cx.beginPath();
    cx.roundRect(x - 2, middle - room / 2 + 1, wide, room - 2, (room - 2) / 2);
    cx.fill();
    cx.fillStyle = palette.surface;
    cx.fillText(text, x + 1, middle + 0.5);
  } else drawMark(cx, form, x, middle, Math.min(5, room / 2.6), palette);
}

// Each form is different, so that none depends on its colour.
function drawMark(cx, form, x, y, r, palette) {
  const shape = (points) => { cx.beginPath(); points.forEach(([dx, dy]) => cx.lineTo(x + dx * r, y + dy * r)); cx.closePath(); };
  [cx.strokeStyle, cx.lineWidth] = [palette.surface, 1];
  const fill = (style) => { cx.fillStyle = style; cx.fill(); cx.stroke(); };
  if (form === 'good') { cx.beginPath(); cx.arc(x, y, r, 0, 7); fill(palette.good); }
  else if (form === 'ring') { cx.beginPath(); cx.arc(x, y, r, 0, 7); cx.fillStyle = palette.surface; cx.fill(); cx.strokeStyle = palette.ink; cx.stroke(); }
  else if (form === 'code') { shape([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]); fill(palette.code); }
  else if (form === 'signal') { shape([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]); fill(palette.signal); }
  else if (form === 'triangle') { shape([[0, -1.2], [1.2, 1], [-1.2, 1]]); fill(palette.warning); }
  else if (form === 'dot') { shape([[0, -1], [0.6, 0], [0, 1], [-0.6, 0]]); fill(palette.ink); }
  else if (form === 'arrow') { shape([[-0.3, -2], [0.3, -2], [0.3, 0], [0.9, 0], [0, 1.2], [-0.9, 0], [-0.3, 0]]); fill(palette.signal); }
  else if (form === 'block') { shape([[-1.1, -1.1], [1.1, -1.1], [1.1, 1.1], [-1.1, 1.1]]); fill(palette.bad); cx.fillStyle = palette.surface; cx.fillRect(x - 0.7 * r, y - 0.2 * r, 1.4 * r, 0.4 * r); }
  else if (form === 'cross') {
    [cx.strokeStyle, cx.lineWidth] = [palette.bad, 1.8];
    cx.beginPath();
    cx.moveTo(x - r, y - r); cx.lineTo(x + r, y + r); cx.moveTo(x - r, y + r); cx.lineTo(x + r, y - r);
    cx.stroke();
  }
}

function drawArrows() {
  const svg = $('arrows'), width = $('axis').clientWidth, top = $('lanes').offsetTop;
  svg.setAttribute('height', $('lanes').offsetHeight);
  svg.style.top = `${top}px`;
  const parts = [], places = new Set();
  const x = (at) => (at - view.from) / (view.until - view.from) * width;
  for (let i = 0; i < data.arrows.length && parts.length < 300; i += 4) {
    const [from, at, to, start] = data.arrows.slice(i, i + 4), [one, other] = [lanes[from].row, lanes[to].row];
    if (start < view.from || at > view.until || one.hidden || other.hidden) continue;
    const place = `${from} ${to} ${Math.round(x(start) / 6)}`;
    if (places.has(place)) continue;
    places.add(place);
    const y = (row) => row.offsetTop - top + row.offsetHeight / 2, down = to > from ? 1 : -1;
    const end = y(other) - down * other.offsetHeight * 0.36;
    const line = document.createElementNS(svg.namespaceURI, 'line');
    for (const [name, value] of Object.entries({ x1: x(at), y1: y(one), x2: x(start), y2: end - down * 4 })) line.setAttribute(name, value.toFixed(1));
    const head = document.createElementNS(svg.namespaceURI, 'path');
    head.setAttribute('d', `M${x(start) - 3} ${end - down * 5}h6l-3 ${down * 5}z`);
    parts.push(line, head);
  }
  svg.replaceChildren(...parts);
}

const inSight = new Set();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const lane = lanes[target.dataset.lane];
    if (isIntersecting) { inSight.add(lane); drawLane(lane); } else inSight.delete(lane);
  }
}, { rootMargin: '100px' });

let isDue = false;
function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; drawNow(); });
}

function drawNow() {
  drawAxis();
  (printing ? lanes : inSight).forEach(drawLane);
  drawArrows();
  $('range').textContent = `${time(view.from)} – ${time(view.until)} (${span(view.until - view.from)})`;
}
