// Draws the timeline whose data are in the page, and handles pointer and keyboard. Times are microseconds.
'use strict';
(() => {
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

  // ---- drawing

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

  // ---- zoom and move

  function show(from, until) {
    const least = 50, most = whole.until - whole.from;
    const length = Math.min(Math.max(until - from, least), Math.max(most, least));
    const middle = (from + until) / 2;
    view.from = Math.max(whole.from, Math.min(middle - length / 2, whole.from + most - length));
    view.until = view.from + length;
    redraw();
  }

  function zoom(factor, part = 0.5) {
    const at = view.from + part * (view.until - view.from), length = (view.until - view.from) * factor;
    show(at - part * length, at + (1 - part) * length);
  }

  const move = (part) => { const by = part * (view.until - view.from); show(view.from + by, view.until + by); };
  const all = () => show(whole.from, whole.until);

  // ---- details

  const text = (number) => texts[number];
  const subject = (lane, run) => run ? `${lane.name}#${run}` : lane.name;

  function aboutSpan(lane, one) {
    const more = text(one.text);
    return `${subject(lane, one.run)}: ${kinds[one.kind][0]}\n${time(one.from)} – ${time(one.until)}, ${span(one.until - one.from)}${more && '\n' + more}`;
  }

  function aboutMarks(lane, marks) {
    if (marks.length === 1) return `${subject(lane, marks[0].run)} ${text(marks[0].text)}\n${time(marks[0].at)}`;
    const counts = new Map();
    for (const { kind } of marks) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const parts = [...counts].map(([kind, count]) => `${count} × ${markKinds[kind][0] || 'command'}`);
    return `${lane.name}: ${parts.join(', ')}\n${time(marks[0].at)} – ${time(marks.at(-1).at)}`;
  }

  function aboutLane(lane) {
    const down = lane.spans.reduce((sum, one) => sum + (kinds[one.kind][4] ? one.until - one.from : 0), 0);
    const runs = new Set(lane.spans.map((one) => one.run).filter(Boolean)).size;
    const after = lane.after.map(([on, until]) => `\nafter ${lanes[on].name} (${until})`).join('');
    const counts = lane.marks.length ? '\n' + aboutMarks(lane, lane.marks).split('\n')[0] : '';
    return `${lane.name}\n${runs} ${runs === 1 ? 'run' : 'runs'}, wanted and not running for ${span(down)}${counts}${after}`;
  }

  // What is at a place of a lane.
  function find(lane, x) {
    const { pieces, groups } = visible(lane, lane.canvas.clientWidth);
    const group = groups.find((group) => x >= group.x - 6 && x <= group.x + (group.marks.length > 1 ? PILL - 4 : 6));
    if (group) return { marks: group.marks };
    const piece = pieces.find(({ left, right }) => x >= left && x < right);
    return piece ? { span: piece.span } : null;
  }

  function openDetails(what, lines) {
    $('what').textContent = what;
    $('lines').textContent = lines;
    $('details').hidden = false;
  }

  function openFound(lane, found) {
    if (!found) return;
    // The lines of a run are those before its end.
    const run = found.span?.run;
    const marks = found.marks ?? (run ? lane.marks.filter((mark) => mark.run === run) : []);
    const lines = marks.filter((mark) => mark.lines).map((mark) => text(mark.lines));
    const what = found.marks ? aboutMarks(lane, found.marks)
      : [aboutSpan(lane, found.span), ...marks.map((mark) => `${text(mark.text)}, ${time(mark.at)}`)].join('\n');
    openDetails(what, lines.at(-1) ?? '');
  }

  function choose(lane) {
    chosen?.row.classList.remove('chosen');
    chosen = lane;
    lane.row.classList.add('chosen');
    lane.button.focus({ preventScroll: true });
    lane.row.scrollIntoView({ block: 'nearest' });
  }

  // Goes to the next or previous event of the chosen lane.
  function step(direction) {
    const lane = chosen ?? lanes.find((lane) => !lane.row.hidden);
    if (!lane) return;
    if (lane !== chosen) choose(lane);
    const next = lane.at < 0 && direction > 0 ? search(lane.marks, view.from, (m) => m.at) : lane.at + direction;
    const mark = lane.marks[next];
    if (!mark) return;
    lane.at = next;
    if (mark.at < view.from || mark.at > view.until) {
      const half = (view.until - view.from) / 2;
      show(mark.at - half, mark.at + half);
    }
    openFound(lane, { marks: [mark] });
  }

  function filter() {
    const part = $('filter').value.toLowerCase(), onlyBad = $('bad').checked;
    for (const lane of lanes) lane.row.hidden = !lane.name.toLowerCase().includes(part) || onlyBad && !lane.isBad;
    const count = lanes.filter((lane) => !lane.row.hidden).length;
    $('count').textContent = count === lanes.length ? '' : `${count} of ${lanes.length} processes`;
    redraw();
  }

  // ---- the page

  function tip(event, found, lane) {
    const box = $('tip');
    box.hidden = !found;
    if (!found) return;
    box.textContent = found.marks ? aboutMarks(lane, found.marks) : aboutSpan(lane, found.span);
    const { width, height } = box.getBoundingClientRect();
    box.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
    box.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18}px`;
  }

  function partOf(event) {
    const { left, width } = $('axis').getBoundingClientRect();
    return Math.min(Math.max((event.clientX - left) / width, 0), 1);
  }

  function drag(canvas, onClick) {
    let from = null;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, view: { ...view }, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!from) return;
      from.moved ||= Math.abs(event.clientX - from.x) > 3;
      const by = (from.x - event.clientX) / canvas.clientWidth * (from.view.until - from.view.from);
      if (from.moved) show(from.view.from + by, from.view.until + by);
    });
    canvas.addEventListener('pointerup', (event) => {
      if (from && !from.moved) onClick?.(event);
      from = null;
    });
    canvas.addEventListener('pointercancel', () => { from = null; });
    canvas.addEventListener('dblclick', (event) => zoom(0.5, partOf(event)));
  }

  function addLane(lane) {
    lane.row = document.createElement('div');
    lane.row.className = 'lane';
    lane.row.dataset.lane = lane.index;
    lane.button = document.createElement('button');
    lane.button.type = 'button';
    [lane.button.textContent, lane.button.title] = [lane.name, lane.name];
    lane.canvas = document.createElement('canvas');
    lane.canvas.setAttribute('aria-hidden', 'true');
    lane.row.append(lane.button, lane.canvas);
    lane.button.addEventListener('click', () => { choose(lane); openDetails(aboutLane(lane), ''); });
    lane.canvas.addEventListener('mousemove', (event) => tip(event, event.buttons ? null : find(lane, event.offsetX), lane));
    lane.canvas.addEventListener('mouseleave', () => { $('tip').hidden = true; });
    drag(lane.canvas, (event) => { choose(lane); openFound(lane, find(lane, event.offsetX)); });
    $('lanes').append(lane.row);
    observer.observe(lane.row);
  }

  function addLegend() {
    const used = new Set(lanes.flatMap((lane) => lane.spans.map((one) => one.kind)));
    const palette = colors(), forms = new Map();
    const marks = { good: 'exit 0', code: 'another exit code', signal: 'ended by a signal', ring: 'unknown status, or survived KILL', cross: 'not started', arrow: 'signal', triangle: 'unhealthy or not ready', block: 'gave up', dot: 'command' };
    for (const [, form] of markKinds) forms.set(form, marks[form]);
    const entry = (label, draw) => {
      const item = document.createElement('li'), canvas = document.createElement('canvas');
      item.append(canvas, label);
      $('legend').append(item);
      draw(prepare(canvas).cx);
    };
    $('legend').replaceChildren();
    kinds.forEach(([name, share], kind) => {
      if (used.has(kind)) entry(name, (cx) => { cx.fillStyle = color(kind); cx.fillRect(0, 7 - 6 * share, 18, Math.max(12 * share, 1.5)); });
    });
    for (const [form, label] of forms) entry(label, (cx) => drawMark(cx, form, 8, 7.5, 4.5, palette));
    if (data.leftOut) {
      $('left-out').textContent = `The last lines of the earliest ${data.leftOut} exits are left out, as there are too many.`;
      $('left-out').hidden = false;
    }
  }

  const keys = {
    '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), '0': all,
    ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25),
    ArrowUp: () => neighbour(-1), ArrowDown: () => neighbour(1),
    n: () => step(1), p: () => step(-1), '/': () => $('filter').focus(),
    Escape: () => { $('details').hidden = true; $('tip').hidden = true; },
  };

  function neighbour(direction) {
    const shown = lanes.filter((lane) => !lane.row.hidden), at = shown.indexOf(chosen);
    // At an end it stays, and gets the focus from where it was.
    const next = at < 0 ? shown[0] : shown[at + direction] ?? chosen;
    if (next) choose(next);
  }

  document.addEventListener('keydown', (event) => {
    const isTyping = event.target.type === 'search';
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping && event.key !== 'Escape') return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    if (isTyping) event.target.blur(); else act();
  });
  $('picture').addEventListener('wheel', (event) => {
    const isStill = document.documentElement.scrollHeight <= innerHeight;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      move(event.deltaX / 600);
    } else if (event.ctrlKey || event.metaKey || isStill || event.target === $('axis')) {
      event.preventDefault();
      zoom(Math.pow(1.0015, event.deltaY), partOf(event));
    }
  }, { passive: false });
  $('controls').addEventListener('submit', (event) => event.preventDefault());
  $('filter').addEventListener('input', filter);
  $('bad').addEventListener('change', filter);
  for (const [id, act] of Object.entries({ in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25), all, close: keys.Escape })) {
    $(id).addEventListener('click', act);
  }
  if (lanes.length > 30) document.documentElement.style.setProperty('--height', '22px');
  lanes.forEach(addLane);
  drag($('axis'));
  addLegend();
  dark.addEventListener('change', () => { addLegend(); redraw(); });
  addEventListener('resize', redraw);
  addEventListener('beforeprint', () => { printing = true; addLegend(); drawNow(); });
  addEventListener('afterprint', () => { printing = false; addLegend(); redraw(); });
  redraw();
})();
